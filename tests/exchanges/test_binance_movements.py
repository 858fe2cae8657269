"""What Binance tells of money besides trades, read from the rows that its documents show."""

from decimal import Decimal
from uuid import uuid4

from shared.domain.connections import Account
from shared.domain.errors import PermissionMissing
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges.binance.movements import movements
from shared.exchanges.kit.contract import Answer

AT = 1_627_575_731_000
ROWS = {
    "capital/deposit/hisrec": [
        {"id": "1", "coin": "USDT", "amount": "4500", "status": 1, "insertTime": AT, "walletType": 0},
        {"id": "2", "coin": "USDT", "amount": "7", "status": 0, "insertTime": AT, "walletType": 0},
        {"id": "3", "coin": "USDT", "amount": "8", "status": 1, "insertTime": AT, "walletType": 1},
        {"id": "4", "coin": "BTC", "amount": "1", "status": 6, "insertTime": AT, "completeTime": AT + 60_000},
    ],
    "capital/withdraw/history": [
        {"id": "w", "coin": "XRP", "amount": "28.75", "transactionFee": "0.25", "status": 6}
        | {"applyTime": "2021-07-29 16:22:11", "walletType": 0},
        {"id": "x", "coin": "XRP", "amount": "1", "status": 3, "applyTime": "2021-07-29 16:22:11"},
    ],
    "MAIN_UMFUTURE": {"total": 1, "rows": [
        {"asset": "USDT", "amount": "1", "type": "MAIN_UMFUTURE", "status": "CONFIRMED", "tranId": 11, "timestamp": AT}
    ]},
    "FUNDING_MAIN": {"total": 1, "rows": [
        {"asset": "USDT", "amount": "2", "type": "FUNDING_MAIN", "status": "CONFIRMED", "tranId": 12, "timestamp": AT}
    ]},
    "convert/tradeFlow": {"list": [
        {"orderId": 9, "orderStatus": "SUCCESS", "fromAsset": "USDT", "fromAmount": "20", "toAsset": "BNB"}
        | {"toAmount": "0.06154036", "createTime": AT}
    ]},
    "asset/dribblet": {"total": 1, "userAssetDribblets": [
        {"operateTime": AT, "transId": 70, "totalTransferedAmount": "0.00072693", "userAssetDribbletDetails": [
            {"fromAsset": "LTC", "amount": "0.000006", "transferedAmount": "0.00000267"}
            | {"serviceChargeAmount": "0.00000005"},
            {"fromAsset": "GBP", "amount": "0.15949157", "transferedAmount": "0.00072426"}
            | {"serviceChargeAmount": "0.00001448"},
        ]}
    ]},
    "asset/assetDividend": {"rows": [{"id": 5, "asset": "BHFT", "amount": "10", "divTime": AT}], "total": 1},
}  # fmt: skip


def asked(refused=(), region="global"):
    """What is read when the exchange answers with these rows; what is asked is collected."""
    account = Account(connection_id=uuid4(), exchange="binance", products=(Product.SPOT,), region=region)
    steps = movements(account, Window(AT - 60_000, AT + 120_000), frozenset())
    try:
        request = next(steps)
        while True:
            name = request.endpoint.path.removeprefix("/sapi/v1/")
            if name in refused:
                request = steps.throw(PermissionMissing())
                continue
            empty = {"rows": []} if name == "asset/transfer" else []
            request = steps.send(Answer(ROWS.get(request.params.get("type", name), empty)))
    except StopIteration as ended:
        return {(row.kind, row.asset): row.amount for row in ended.value}


def test_each_kind_is_read_with_its_sign_and_what_never_counted_is_not():
    assert asked() == {
        ("deposit", "USDT"): Decimal(4500),
        ("deposit", "BTC"): Decimal(1),
        ("withdrawal", "XRP"): Decimal(-29),
        ("transfer", "USDT"): Decimal(2),  # the one to futures has the same name and another id
        ("conversion", "USDT"): Decimal(-20),
        ("conversion", "BNB"): Decimal("0.06154036"),
        ("dust", "LTC"): Decimal("-0.000006"),
        ("dust", "GBP"): Decimal("-0.15949157"),
        ("dust", "BNB"): Decimal("0.00071240"),
        ("reward", "BHFT"): Decimal(10),
    }


def test_what_the_key_may_not_see_hides_nothing_else():
    found = asked(refused=("capital/withdraw/history", "convert/tradeFlow"))
    assert {kind for kind, _ in found} == {"deposit", "transfer", "dust", "reward"}


def test_a_test_network_is_not_asked():
    assert asked(region="testnet") == {}


def conversed(answers):
    """What is read and what was asked, where each list answers its own pages and all else is empty."""
    account = Account(connection_id=uuid4(), exchange="binance", products=(Product.SPOT,))
    steps, questions = movements(account, Window(AT - 60_000, AT + 120_000), frozenset()), []
    pages = {name: list(rows) for name, rows in answers.items()}
    try:
        request = next(steps)
        while True:
            name = request.endpoint.path.removeprefix("/sapi/v1/")
            questions.append((name, dict(request.params)))
            mine = pages.get(request.params.get("type", name))
            empty = [] if name.startswith("capital") else {}
            request = steps.send(Answer(mine.pop(0) if mine else empty))
    except StopIteration as ended:
        return ended.value, questions


def test_what_is_asked_names_its_window_its_page_and_each_wallet_both_ways():
    _, questions = conversed({})
    span = {"startTime": AT - 60_000, "endTime": AT + 120_000}
    early = {**span, "startTime": AT - 60_000 - 86_400_000, "limit": 1000, "offset": 0}
    wallets = ("UMFUTURE", "CMFUTURE", "MARGIN", "FUNDING", "OPTION", "PORTFOLIO_MARGIN")
    kinds = [kind for wallet in wallets for kind in (f"MAIN_{wallet}", f"{wallet}_MAIN")]
    assert questions == [
        ("capital/deposit/hisrec", early),
        ("capital/withdraw/history", early),
        *(("asset/transfer", {**span, "type": kind, "size": 100, "current": 1}) for kind in kinds),
        ("convert/tradeFlow", span),
        ("asset/dribblet", span),
        ("asset/assetDividend", span),
    ]


def test_full_pages_ask_for_the_next():
    deposit, withdrawal = ROWS["capital/deposit/hisrec"][0], ROWS["capital/withdraw/history"][0]
    transfer = ROWS["FUNDING_MAIN"]["rows"][0]
    found, questions = conversed(
        {
            "capital/deposit/hisrec": [[deposit] * 1000, [deposit]],
            "capital/withdraw/history": [[withdrawal] * 1000, [withdrawal] * 999],
            "FUNDING_MAIN": [{"rows": [transfer] * 100}, {"rows": [transfer] * 99}],
        }
    )
    assert [one["offset"] for _, one in questions if "offset" in one] == [0, 1000, 0, 1000]
    assert [one["current"] for _, one in questions if one.get("type") == "FUNDING_MAIN"] == [1, 2]
    assert len(found) == 1001 + 1999 + 199


def test_each_row_has_its_own_id_moment_and_wallet():
    found, _ = conversed({name: [rows] for name, rows in ROWS.items()})
    assert [(row.id, row.timestamp_ms) for row in found] == [
        ("deposit:1", AT),
        ("deposit:4", AT + 60_000),
        ("withdrawal:w", AT),
        ("transfer:11", AT),
        ("transfer:12", AT),
        ("conversion:9", AT),
        ("conversion:9", AT),
        ("dust:70", AT),
        ("dust:70", AT),
        ("dust:70", AT),
        ("reward:5", AT),
    ]
    assert {row.account_type for row in found} == {"spot"}
    assert [row.amount for row in found if row.kind == "transfer"] == [Decimal(-1), Decimal(2)]


def test_dust_may_become_another_coin_and_a_withdrawal_may_cost_nothing():
    swept = ROWS["asset/dribblet"]["userAssetDribblets"][0]
    details = [{**each, "targetAsset": "USDT"} for each in swept["userAssetDribbletDetails"]]
    free = {name: told for name, told in ROWS["capital/withdraw/history"][0].items() if name != "transactionFee"}
    found, _ = conversed(
        {
            "asset/dribblet": [{"userAssetDribblets": [{**swept, "userAssetDribbletDetails": details}]}],
            "capital/withdraw/history": [[free]],
        }
    )
    moved = {(row.kind, row.asset): row.amount for row in found}
    assert moved["dust", "USDT"] == Decimal("0.00071240")
    assert moved["withdrawal", "XRP"] == Decimal("-28.75")
