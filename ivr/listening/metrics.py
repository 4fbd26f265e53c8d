"""What Prometheus can ask about listening."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

streams = Gauge("hotline_listening_streams", "Legs connected", multiprocess_mode="livesum")
legs_by_model = Gauge(
    "hotline_listening_model_legs",
    "Legs that a model hears; two models in a language: one is being replaced",
    ["language", "model"],
    multiprocess_mode="livesum",
)
changes = Counter("hotline_listening_model_changes_total", "Other models asked for while calls go on", ["outcome"])
decoded = Counter("hotline_listening_decoded_seconds_total", "Audio that was decoded")
gated = Counter("hotline_listening_gated_seconds_total", "Audio without voice, which was not decoded")
dropped = Counter(
    "hotline_listening_dropped_seconds_total",
    "Audio not listened to, by reason (backlog, agent_shed, caller_shed, too_many, stalled, failed)",
    ["reason"],
)
agents_shed = Counter("hotline_listening_agents_shed_total", "Agent legs left out because of overload")
callers_shed = Counter("hotline_listening_callers_shed_total", "New caller legs left out because of overload")
stalled = Counter("hotline_listening_stalled_total", "Legs whose decoding did not come back in time")
failed = Counter("hotline_listening_failed_total", "Legs that ended with an error of decoding or of their connection")
refused = Counter("hotline_listening_refused_total", "Connections refused, by reason", ["reason"])
utterances = Counter("hotline_listening_utterances_total", "Utterances told", ["speaker"])
delay = Histogram(
    "hotline_listening_decode_delay_seconds",
    "From the arrival of a chunk's last byte until it was decoded",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20),
)
