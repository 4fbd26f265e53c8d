"""A centre with a small knowledge base, as units of Yazhou might write it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest

from routing.centre import Centre
from routing.jurisdiction import Jurisdiction
from routing.knowledge import items
from routing.knowledge.items import Text
from routing.knowledge.tables import KnowledgeItem
from routing.law.calendar import Calendar
from routing.storage import Database
from routing.tickets import Actor
from settings import ROOT

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
NEXT_YEAR = date(2027, 11, 20)
WANG = Actor("王坐席 8001", "agent")
MANAGER = Actor("陈班长 8004", "shift_manager")
OFFICE = Actor("周主任 9001", "center_office")
CLERK = Actor("符采编 rsj1", "unit_clerk", "yz.renshe")
OTHER = Actor("黎采编 zjj1", "unit_clerk", "yz.zhujian")

TEXTS = [
    (
        "社会保障卡丢了怎么补办",
        "社保卡 挂失 补卡",
        "请携带本人身份证到任一服务网点办理挂失和补换，工本费二十元，十五个工作日内领卡。",
    ),
    (
        "城乡居民养老保险怎么缴费",
        "养老 社保 缴费",
        "每年可通过税务部门的手机应用、银行柜台或村委会代办点缴纳，档次自选。",
    ),
    ("城乡居民医疗保险报销比例", "医保 住院 报销", "在定点医院住院，起付线以上部分按医院等级报销，异地就医须先备案。"),
    ("路灯不亮找谁修", "路灯 照明 报修", "城区道路的路灯由住房和城乡建设部门维护，村道由所在村委会报修。"),
    ("自来水停水什么时候恢复", "停水 供水 水压", "计划停水会提前公告；突然停水请提供详细地址，由供水企业抢修。"),
    ("盐灶路施工占道情况", "盐灶路 修路 占道", "盐灶路改造期间单向通行，预计年底完工。"),
    (
        "新生儿户口登记需要什么材料",
        "落户 出生 上户口",
        "父母双方户口簿、身份证、结婚证和出生医学证明，到派出所户籍窗口办理。",
    ),
    (
        "个体工商户营业执照办理流程",
        "营业执照 注册 开店",
        "可在线上平台申请名称登记，提交经营场所证明，三个工作日内领取执照。",
    ),
    ("公租房申请条件", "公租房 保障房 住房困难", "本区户籍或连续缴纳社会保险满一年，家庭人均住房面积低于规定标准。"),
    ("噪声扰民投诉处理流程", "噪音 夜间施工 扰民", "夜间施工噪声由综合行政执法部门处理，社会生活噪声由公安部门处理。"),
    ("秸秆垃圾焚烧举报", "烧垃圾 秸秆 浓烟", "禁止露天焚烧秸秆和垃圾，接到举报后由镇政府和生态环境部门到场制止。"),
    ("低保申请程序", "低保 最低生活保障 困难", "向户籍所在地的村居委会提出申请，经入户调查和公示后由民政部门审批。"),
]


@dataclass
class Clockwork:
    """The simulated time of the centre."""

    at: datetime = field(default=NOW)

    def __call__(self) -> datetime:
        return self.at

    def passes(self, time: timedelta) -> None:
        self.at += time


@pytest.fixture
def clockwork() -> Clockwork:
    return Clockwork()


@pytest.fixture
def centre(database: Database, yazhou: Jurisdiction, clockwork: Clockwork) -> Centre:
    calendar = Calendar.load(ROOT / "config" / "calendars")
    return Centre(db=database, jurisdiction=yazhou, calendar=calendar, now=clockwork)


async def publish(centre: Centre, text: Text, actor: Actor = CLERK) -> KnowledgeItem:
    """Write an item and have it published."""
    written = await items.draft(centre, actor, text)
    return await items.review(centre, written.id, written.version, OFFICE, publish=True)


@pytest.fixture
async def filled(centre: Centre) -> Centre:
    """The centre with `TEXTS` published."""
    for title, keywords, body in TEXTS:
        await publish(centre, Text(title, body, keywords, review_by=NEXT_YEAR))
    return centre
