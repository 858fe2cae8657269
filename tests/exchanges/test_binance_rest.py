"""Binance over REST: what is asked, what a page proves, what errors mean, what a key may do."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.connections import Account, Verdict
from shared.domain.errors import (
    ClockWrong,
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    MarketGone,
    PageStuck,
    PermissionMissing,
    RateLimited,
    RegionNotAllowed,
    TradeSyncError,
)
from shared.domain.markets import Market, Markets
from shared.domain.trades import Product
from shared.domain.windows import Coverage, Window
from shared.exchanges import load
from shared.exchanges.kit.contract import Answer, Feed

BINANCE = load("binance")
HISTORY = BINANCE.history
NOW = 1_795_190_400_000
DAY = 86_400_000
ACCOUNT = Account(connection_id=UUID(int=1), exchange="binance", products=(Product.SPOT, Product.LINEAR))
SPOT, LINEAR = Feed(Product.SPOT, "BTCUSDT"), Feed(Product.LINEAR, "BTCUSDT")
MARKETS = Markets(
    [
        Market("BTCUSDT", "BTC/USDT", "spot", "BTC", "USDT"),
        Market("ETHUSDT", "ETH/USDT", "spot", "ETH", "USDT"),
        Market("SOLUSDC", "SOL/USDC", "spot", "SOL", "USDC"),
        Market("BTCUSDT", "BTC/USDT:USDT", "swap", "BTC", "USDT", "USDT", None, True, False),
        Market("ETHUSDT", "ETH/USDT:USDT", "swap", "ETH", "USDT", "USDT", None, True, False),
    ]
)
ENDPOINTS = {endpoint.path.rsplit("/", 1)[1] + ":" + endpoint.pool: endpoint for endpoint in BINANCE.endpoints}
SPOT_TRADES, FUTURES_TRADES = ENDPOINTS["myTrades:spot"], ENDPOINTS["userTrades:futures"]


def row_of(number, moment, product):
    row = {"symbol": "BTCUSDT", "id": number, "orderId": 1, "price": "1", "qty": "1", "quoteQty": "1", "time": moment}
    row |= {"commission": "0.1", "commissionAsset": "USDT"}
    if product is Product.SPOT:
        return row | {"isBuyer": True, "isMaker": False}
    return row | {"side": "BUY", "maker": False, "positionSide": "BOTH"}


class Exchange:
    """The rules of both trade lists, from the fact sheet: ids from, or a window; a page holds a thousand."""

    def __init__(self, trades, product, *, newest_first=False):
        self.rows = [row_of(number, moment, product) for number, moment in sorted(trades)]
        self.product, self.newest_first = product, newest_first
        self.calls = 0

    def answer(self, request):
        self.calls += 1
        params = request.params
        assert request.endpoint == (SPOT_TRADES if self.product is Product.SPOT else FUTURES_TRADES)
        assert not ("fromId" in params and "startTime" in params), "-1128"
        if "fromId" in params:
            return [row for row in self.rows if row["id"] >= params["fromId"]][: params["limit"]]
        longest = DAY if self.product is Product.SPOT else 7 * DAY
        assert params["endTime"] - params["startTime"] <= longest, "-1127"
        found = [row for row in self.rows if params["startTime"] <= row["time"] <= params["endTime"]]
        return found[-params["limit"] :][::-1] if self.newest_first else found[: params["limit"]]


def read_all(exchange, feed, wanted, memory=None):
    """What a worker does with a feed: the newest gap, slice by slice, until nothing is missing."""
    covered, memory, rows = Coverage(), memory or {}, {}
    while gaps := covered.gaps(wanted):
        slice_ = HISTORY.slice(feed, gaps[-1], memory, ACCOUNT, NOW)
        cursor = slice_.cursor
        while True:
            data = exchange.answer(HISTORY.ask(feed, slice_, cursor, ACCOUNT))
            page = HISTORY.read(feed, slice_, cursor, Answer(data), ACCOUNT, MARKETS)
            rows |= {trade.identity: trade for trade in page.trades}
            memory = page.memory
            if page.proven is not None:
                assert slice_.window.since <= page.proven.since < page.proven.until <= slice_.window.until
                covered = covered.add(page.proven)
            if page.is_saturated:
                window = slice_.window
                half = Window(window.until - max((window.until - window.since) // 2, 1_000), window.until)
                slice_ = HISTORY.slice(feed, half, memory, ACCOUNT, NOW)
                cursor = slice_.cursor
            elif page.next is None:
                break
            else:
                cursor = page.next
    return rows, memory


def dense(count, since, step):
    return [(100 + 3 * place, since + place * step) for place in range(count)]


class TestHistory:
    @pytest.mark.parametrize("newest_first", [False, True])
    @pytest.mark.parametrize("feed", [SPOT, LINEAR], ids=lambda feed: feed.key)
    def test_a_long_past_is_read_to_its_last_trade(self, feed, newest_first):
        exchange = Exchange(dense(4_500, NOW - 30 * DAY, 400_000), feed.product, newest_first=newest_first)
        rows, memory = read_all(exchange, feed, Window(HISTORY.reach(feed, ACCOUNT, NOW), NOW))
        assert len(rows) == 4_500
        assert exchange.calls < 40
        assert len(memory["marks"]) < 60

    def test_spot_walks_from_the_very_first_id(self):
        slice_ = HISTORY.slice(SPOT, Window(HISTORY.reach(SPOT, ACCOUNT, NOW), NOW), {}, ACCOUNT, NOW)
        request = HISTORY.ask(SPOT, slice_, slice_.cursor, ACCOUNT)
        assert request.params == {"symbol": "BTCUSDT", "limit": 1_000, "fromId": 0}

    def test_a_short_young_gap_is_one_call(self):
        exchange = Exchange(dense(4_500, NOW - 30 * DAY, 400_000), Product.SPOT)
        _, memory = read_all(exchange, SPOT, Window(HISTORY.reach(SPOT, ACCOUNT, NOW), NOW - DAY))
        before = exchange.calls
        read_all(exchange, SPOT, Window(NOW - 300_000, NOW), memory)
        assert exchange.calls == before + 1

    @pytest.mark.parametrize(("mark", "is_used"), [(-61_000, True), (-30_000, False), (30_000, False)])
    def test_a_mark_must_lie_well_before_the_gap(self, mark, is_used):
        since = NOW - 3_600_000
        slice_ = HISTORY.slice(SPOT, Window(since, NOW), {"marks": [[since + mark, 500]]}, ACCOUNT, NOW)
        assert slice_.cursor["from"] == (500 if is_used else None)

    def test_a_page_in_the_middle_proves_only_what_lies_well_before_its_last_row(self):
        slice_ = HISTORY.slice(SPOT, Window(HISTORY.reach(SPOT, ACCOUNT, NOW), NOW), {}, ACCOUNT, NOW)
        rows = [row_of(number, NOW - DAY + number * 1_000, Product.SPOT) for number in range(1_000)]
        page = HISTORY.read(SPOT, slice_, slice_.cursor, Answer(rows), ACCOUNT, MARKETS)
        assert page.proven == Window(slice_.window.since, NOW - DAY + 999_000 - 60_000)
        assert page.next["from"] == 1_000

    def test_futures_windows_are_seven_days_and_end_inside(self):
        slice_ = HISTORY.slice(LINEAR, Window(NOW - 60 * DAY, NOW), {}, ACCOUNT, NOW)
        assert slice_.window == Window(NOW - 60 * DAY, NOW - 53 * DAY)
        params = HISTORY.ask(LINEAR, slice_, slice_.cursor, ACCOUNT).params
        assert (params["startTime"], params["endTime"]) == (NOW - 60 * DAY, NOW - 53 * DAY - 1)

    def test_a_page_that_does_not_go_forward_is_refused(self):
        slice_ = HISTORY.slice(SPOT, Window(HISTORY.reach(SPOT, ACCOUNT, NOW), NOW), {}, ACCOUNT, NOW)
        rows = [row_of(number, NOW - DAY, Product.SPOT) for number in range(1_000)]
        with pytest.raises(PageStuck):
            HISTORY.read(SPOT, slice_, {"from": 500, "marks": []}, Answer(rows), ACCOUNT, MARKETS)

    def test_a_full_page_without_ids_proves_nothing(self):
        slice_ = HISTORY.slice(SPOT, Window(HISTORY.reach(SPOT, ACCOUNT, NOW), NOW), {}, ACCOUNT, NOW)
        with pytest.raises(PageStuck):
            HISTORY.read(SPOT, slice_, slice_.cursor, Answer([{}] * 1_000), ACCOUNT, MARKETS)

    @pytest.mark.parametrize("data", [{"code": 0}, None, "text"])
    def test_a_page_that_is_no_list_is_refused(self, data):
        slice_ = HISTORY.slice(SPOT, Window(NOW - DAY, NOW), {}, ACCOUNT, NOW)
        with pytest.raises(ContractBroken):
            HISTORY.read(SPOT, slice_, slice_.cursor, Answer(data), ACCOUNT, MARKETS)

    @given(data=st.data())
    def test_whatever_the_trades_and_the_gap_every_trade_inside_is_read(self, data):
        feed = data.draw(st.sampled_from([SPOT, LINEAR]))
        steps = data.draw(st.lists(st.integers(0, 40_000_000), min_size=1, max_size=40))
        repeat = data.draw(st.sampled_from([1, 40]))
        moment, trades = NOW - 80 * DAY, []
        for step in steps:
            for _ in range(repeat):
                moment += step
                trades.append((len(trades) * 2 + 5, min(moment, NOW - 1)))
        exchange = Exchange(trades, feed.product, newest_first=data.draw(st.booleans()))
        _, memory = read_all(exchange, feed, Window(NOW - 85 * DAY, NOW - 10 * DAY))
        since = data.draw(st.integers(NOW - 79 * DAY, NOW - 2))
        wanted = Window(since, data.draw(st.integers(since + 1, NOW)))
        rows, _ = read_all(exchange, feed, wanted, memory)
        inside = {number for number, moment in trades if wanted.holds(moment)}
        assert inside <= {int(trade.exchange_trade_id) for trade in rows.values()}


def answered(steps, answers: Mapping[str, Any]):
    """Drive a conversation: answers by the end of the path, errors are thrown; the result and what was asked."""
    asked = []
    try:
        request = next(steps)
        while True:
            asked.append((request.endpoint.path, dict(request.params)))
            told = answers.get(request.endpoint.path, PermissionMissing("no"))
            if callable(told):
                told = told(request.params)
            if isinstance(told, TradeSyncError):
                request = steps.throw(told)
            else:
                request = steps.send(Answer(told, received_ms=NOW))
    except StopIteration as end:
        return end.value, asked


SPOT_ACCOUNT = {"uid": 354937868, "balances": [{"asset": "BTC", "free": "1.5", "locked": "0.25"}]}
FUTURES_ACCOUNT = {
    "assets": [
        {
            "asset": "USDT",
            "walletBalance": "100.5",
            "availableBalance": "90",
            "initialMargin": "10.5",
            "marginBalance": "120",
        },
        {"asset": "BNB", "walletBalance": "0", "availableBalance": "0"},
    ],
    "positions": [{"symbol": "ETHUSDT", "positionAmt": "1"}],
}
READ_ONLY = {"ipRestrict": True, "createTime": 1_700_000_000_000, "enableReading": True, "enableWithdrawals": False}
READABLE = {
    "/api/v3/account": SPOT_ACCOUNT,
    "/sapi/v1/account/apiRestrictions": READ_ONLY,
    "/fapi/v3/account": FUTURES_ACCOUNT,
}


def key_report(**flags):
    return answered(
        BINANCE.check_key(ACCOUNT), {**READABLE, "/sapi/v1/account/apiRestrictions": {**READ_ONLY, **flags}}
    )[0]


class TestKey:
    def test_a_read_only_key(self):
        report = key_report()
        assert (report.can_read, report.can_trade, report.can_withdraw) == (Verdict.YES, Verdict.NO, Verdict.NO)
        assert (report.uid, report.products) == ("354937868", (Product.SPOT, Product.LINEAR))
        assert report.permissions == ("enableReading",)
        assert report.details == {"wallets": ["spot", "futures"], "key_created_ms": 1_700_000_000_000}
        assert (report.expires_ms, report.remarks) == (None, ())

    def test_wallets_that_answer_are_kept_and_an_end_is_told(self):
        told = READABLE | {"/sapi/v1/margin/account": {"userAssets": []}}
        report, asked = answered(BINANCE.check_key(ACCOUNT), told)
        assert report.details["wallets"] == ["spot", "futures", "margin"]
        assert ("/api/v3/account", {"omitZeroBalances": "true"}) in asked
        assert key_report(tradingAuthorityExpirationTime=1).expires_ms == 1
        for nothing in (0, True, None, "1"):
            assert key_report(tradingAuthorityExpirationTime=nothing).expires_ms is None
        assert key_report(createTime=0).details["key_created_ms"] is None

    def test_a_key_that_reads_nothing_is_bound_to_an_address_all_the_same(self):
        assert key_report(enableReading=False).can_read is Verdict.NO

    @pytest.mark.parametrize("bound", [False, None])
    def test_a_key_that_is_bound_to_no_address_is_told_of(self, bound):
        assert any("no address" in remark for remark in key_report(ipRestrict=bound).remarks)

    def test_spot_alone_does_not_ask_for_futures_and_the_demo_asks_for_nothing_else(self):
        def account(region, *products):
            return Account(connection_id=UUID(int=1), exchange="binance", products=products, region=region)

        report, asked = answered(BINANCE.check_key(account("global", Product.SPOT)), READABLE)
        assert "/fapi/v3/account" not in [path for path, _ in asked]
        assert report.details["wallets"] == ["spot"]
        report, asked = answered(BINANCE.check_key(account("testnet", Product.SPOT, Product.LINEAR)), READABLE)
        assert [path for path, _ in asked] == ["/api/v3/account", "/fapi/v3/account"]
        assert not any("address" in remark for remark in report.remarks)

    @pytest.mark.parametrize("flag", ["enableWithdrawals", "enableInternalTransfer", "permitsUniversalTransfer"])
    def test_each_way_out_counts_as_withdrawing(self, flag):
        assert key_report(**{flag: True}).can_withdraw is Verdict.YES

    @pytest.mark.parametrize(
        "flag",
        [
            "enableSpotAndMarginTrading",
            "enableMargin",
            "enableVanillaOptions",
            "enablePortfolioMarginTrading",
            "enableFixApiTrade",
        ],
    )
    def test_each_trading_flag_counts_as_trading(self, flag):
        assert key_report(**{flag: True}).can_trade is Verdict.YES

    def test_futures_can_only_be_read_by_a_key_that_could_trade_them_so_that_is_a_remark(self):
        report = key_report(enableFutures=True)
        assert report.can_trade is Verdict.UNKNOWN
        assert any("Enable Futures" in remark for remark in report.remarks)

    def test_what_the_account_may_do_is_not_taken_for_what_the_key_may_do(self):
        spot = {**SPOT_ACCOUNT, "canTrade": True, "canWithdraw": True}
        report, _ = answered(BINANCE.check_key(ACCOUNT), {**READABLE, "/api/v3/account": spot})
        assert (report.can_trade, report.can_withdraw) == (Verdict.NO, Verdict.NO)

    def test_an_account_without_futures_loses_the_product_with_a_reason(self):
        report, _ = answered(
            BINANCE.check_key(ACCOUNT), {**READABLE, "/fapi/v3/account": PermissionMissing("not opened")}
        )
        assert report.products == (Product.SPOT,)
        assert any("not opened" in remark for remark in report.remarks)

    def test_test_networks_do_not_tell_and_are_not_asked(self):
        account = Account(connection_id=UUID(int=1), exchange="binance", products=(Product.SPOT,), region="testnet")
        report, asked = answered(BINANCE.check_key(account), READABLE)
        assert (report.can_read, report.can_trade, report.can_withdraw) == (Verdict.UNKNOWN,) * 3
        assert [path for path, _ in asked] == ["/api/v3/account"]

    def test_an_outage_is_no_finding(self):
        with pytest.raises(ExchangeUnavailable):
            answered(BINANCE.check_key(ACCOUNT), {**READABLE, "/fapi/v3/account": ExchangeUnavailable()})


class TestBalances:
    def account(self, *wallets):
        return Account(
            connection_id=UUID(int=1), exchange="binance", products=ACCOUNT.products, details={"wallets": wallets}
        )

    def test_each_wallet_is_kept_apart(self):
        funding = [{"asset": "USDT", "free": "5", "locked": "1", "freeze": "2", "withdrawing": "0.5"}]
        told = {**READABLE, "/sapi/v1/asset/get-funding-asset": funding}
        wallets, _ = answered(BINANCE.balances(self.account("spot", "futures", "funding")), told)
        assert {(one.account_type, one.asset, str(one.total)) for one in wallets.balances} == {
            ("spot", "BTC", "1.75"),
            ("futures", "USDT", "100.5"),
            ("funding", "USDT", "8.5"),
        }

    def test_what_is_free_and_what_is_held_stand_apart_in_each_wallet(self):
        coin = {"asset": "USDT", "free": "5", "locked": "1", "freeze": "2", "withdrawing": "0.5", "borrowed": "9"}
        empty = {"asset": "ETH", "free": "0", "locked": "0"}
        told = {
            **READABLE,
            "/sapi/v1/asset/get-funding-asset": [coin],
            "/sapi/v1/margin/account": {"userAssets": [coin, empty]},
            "/sapi/v1/margin/isolated/account": {
                "assets": [
                    {"symbol": "BTCUSDT", "baseAsset": {**coin, "asset": "BTC"}, "quoteAsset": empty},
                    {"symbol": "ETHUSDT", "baseAsset": empty, "quoteAsset": coin},
                ]
            },
        }
        account = self.account("spot", "futures", "funding", "margin", "isolated")
        wallets, _ = answered(BINANCE.balances(account), told)
        assert {
            (one.account_type, one.asset): tuple(map(str, (one.total, one.free, one.used))) for one in wallets.balances
        } == {
            ("spot", "BTC"): ("1.75", "1.5", "0.25"),
            ("futures", "USDT"): ("100.5", "90", "10.5"),
            ("funding", "USDT"): ("8.5", "5", "3.5"),
            ("margin", "USDT"): ("6", "5", "1"),
            ("isolated:BTCUSDT", "BTC"): ("6", "5", "1"),
            ("isolated:ETHUSDT", "USDT"): ("6", "5", "1"),
        }

    def test_a_holding_that_is_not_told_is_nothing(self):
        told = {**READABLE, "/sapi/v1/asset/get-funding-asset": [{"asset": "USDT", "free": "5"}]}
        wallets, _ = answered(BINANCE.balances(self.account("spot", "funding")), told)
        assert [str(one.used) for one in wallets.balances if one.account_type == "funding"] == ["0"]

    def test_without_a_finding_futures_are_asked_for_where_they_are_wanted(self):
        def account(*products):
            return Account(connection_id=UUID(int=1), exchange="binance", products=products)

        _, asked = answered(BINANCE.balances(account(Product.SPOT, Product.LINEAR)), READABLE)
        assert [path for path, _ in asked] == ["/api/v3/account", "/fapi/v3/account"]
        _, asked = answered(BINANCE.balances(account(Product.SPOT)), READABLE)
        assert [path for path, _ in asked] == ["/api/v3/account"]

    def test_only_wallets_that_are_there_are_asked_for(self):
        _, asked = answered(BINANCE.balances(self.account("spot", "funding")), READABLE)
        assert [path for path, _ in asked] == ["/api/v3/account", "/sapi/v1/asset/get-funding-asset"]

    def test_a_wallet_that_cannot_be_read_is_missing_and_not_empty(self):
        wallets, _ = answered(
            BINANCE.balances(self.account("spot", "futures")), {**READABLE, "/fapi/v3/account": ClockWrong("no")}
        )
        assert wallets.missing == {"futures": "no"}
        assert {one.account_type for one in wallets.balances} == {"spot"}


class TestDiscovery:
    def test_held_coins_open_orders_and_commissions_name_the_markets(self):
        def income(params):
            assert params["endTime"] - params["startTime"] <= 30 * DAY
            return [{"symbol": "BTCUSDT", "time": params["startTime"], "incomeType": "COMMISSION"}]

        told = {
            **READABLE,
            "/api/v3/time": {"serverTime": NOW},
            "/api/v3/openOrders": [{"symbol": "SOLUSDC"}],
            "/api/v3/allOrderList": ContractBroken("no"),
            "/fapi/v1/income": income,
        }
        found, asked = answered(HISTORY.discover(ACCOUNT, MARKETS), told)
        assert [feed.key for feed in found.feeds] == [
            "linear:BTCUSDT",
            "linear:ETHUSDT",
            "spot:BTCUSDT",
            "spot:SOLUSDC",
        ]
        assert [feed.key for feed in found.sweep] == ["spot:ETHUSDT"]
        assert sum(path == "/fapi/v1/income" for path, _ in asked) == 3

    def test_coins_in_flexible_savings_count_as_held(self):
        spot = {"balances": [{"asset": "LDETH", "free": "1", "locked": "0"}]}
        account = Account(connection_id=UUID(int=1), exchange="binance", products=(Product.SPOT,))
        told = {"/api/v3/account": spot, "/api/v3/openOrders": [], "/api/v3/allOrderList": []}
        found, _ = answered(HISTORY.discover(account, MARKETS), told)
        assert [feed.key for feed in found.feeds] == ["spot:ETHUSDT"]


def error(status, code=None, message="", headers=None, endpoint=SPOT_TRADES):
    body = {"code": code, "msg": message} if code is not None else message
    return BINANCE.error_of(status, headers or {}, body, endpoint, NOW)


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "code", "kind"),
        [
            (400, -1021, ClockWrong),
            (400, -1022, KeyRejected),
            (400, -1121, MarketGone),
            (400, -1127, ContractBroken),
            (400, -1128, ContractBroken),
            (401, -2014, KeyRejected),
            (401, -2015, KeyRejected),
            (400, -2008, KeyRejected),
            (503, -1008, ExchangeUnavailable),
            (400, -1007, ExchangeUnavailable),
            (401, None, KeyRejected),
            (451, 0, RegionNotAllowed),
            (400, "-1121", MarketGone),
            (500, -9999, ExchangeUnavailable),
            (408, None, ExchangeUnavailable),
            (404, None, ContractBroken),
            (502, None, ExchangeUnavailable),
        ],
    )
    def test_codes(self, status, code, kind):
        assert type(error(status, code)) is kind

    def test_a_rejected_key_names_its_possible_causes_and_our_address(self):
        found = error(401, -2015, "Invalid API-key, IP, or permissions for action, request ip: 203.0.113.9")
        for cause in ("203.0.113.9", "deleted", "permission"):
            assert cause in found.sentence

    def test_futures_refusals_do_not_condemn_the_key(self):
        assert isinstance(error(401, -2015, endpoint=FUTURES_TRADES), PermissionMissing)

    def test_a_ban_lasts_until_the_moment_in_its_text(self):
        found = error(418, -1003, f"Way too much request weight used; IP banned until {NOW + 999_000}.")
        assert isinstance(found, RateLimited)
        assert (found.until_ms, found.ban, found.scope) == (NOW + 999_000, True, "address")

    def test_a_retry_after_of_zero_is_not_believed(self):
        assert error(429, headers={"retry-after": "0"}).until_ms == NOW + 60_000  # the minute has just begun
        assert error(418, headers={"retry-after": "0"}).until_ms == NOW + 120_000
        assert error(418, headers={"retry-after": "400"}).until_ms == NOW + 400_000

    def test_the_firewall_means_a_long_pause(self):
        assert error(403, None, "<html>403 Forbidden</html>").until_ms == NOW + 300_000

    @pytest.mark.parametrize("body", [[], {}, {"code": 200, "msg": "success"}, {"listenKey": "x"}])
    def test_good_answers_are_good(self, body):
        assert BINANCE.error_of(200, {}, body, SPOT_TRADES, NOW) is None

    def test_used_weight_is_read_for_the_pool_of_the_call(self):
        headers = {"x-mbx-used-weight-1m": "1234", "x-sapi-used-ip-weight-1m": "7"}
        for path, pool, used in (
            ("myTrades:spot", "spot", 1234),
            ("userTrades:futures", "futures", 1234),
            ("apiRestrictions:wallet", "wallet", 7),
        ):
            (use,) = BINANCE.pool_use(headers, ENDPOINTS[path])
            assert (use.pool, use.used) == (pool, used)
        assert BINANCE.pool_use({"x-mbx-used-weight-1m": "much"}, SPOT_TRADES) == ()
