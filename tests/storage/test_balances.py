"""Balances: the latest of each wallet, and only what changed on record."""

from decimal import Decimal

from shared.domain.balances import Balance
from shared.exchanges.kit.contract import Wallets
from shared.storage import balances, connections
from shared.storage.balances import Change
from tests.fixtures.stored import a_connection


def wallets(*lines: tuple[str, str, str], missing: dict[str, str] | None = None) -> Wallets:
    return Wallets(
        balances=tuple(
            Balance(account_type=wallet, asset=asset, total=Decimal(total)) for wallet, asset, total in lines
        ),
        missing=missing or {},
    )


def held(db) -> list[tuple[str, str, str]]:
    return [(line.account_type, line.asset, str(line.total)) for line in balances.list_balances(db)]


def changes(db) -> int:
    return db.execute("SELECT count(*) FROM balance_changes").fetchone()[0]


def test_only_what_changed_is_on_record(db):
    connection = a_connection(db)
    first = wallets(("spot", "BTC", "1.50"), ("spot", "ETH", "2"), ("futures", "USDT", "10"))
    assert 3 == len(balances.record_balances(db, connection, first))
    assert [] == balances.record_balances(db, connection, first)
    assert [] == balances.record_balances(
        db, connection, wallets(("spot", "BTC", "1.5"), ("spot", "ETH", "2"), ("futures", "USDT", "10"))
    )
    changed = balances.record_balances(
        db, connection, wallets(("spot", "BTC", "1.6"), ("spot", "ETH", "2"), ("futures", "USDT", "10"))
    )
    assert [Change(account_type="spot", asset="BTC", total=Decimal("1.6"), before=Decimal("1.5"))] == changed
    assert 4 == changes(db)


def test_a_wallet_that_could_not_be_read_keeps_its_last_state(db):
    connection = a_connection(db)
    balances.record_balances(db, connection, wallets(("spot", "BTC", "1"), ("futures", "USDT", "10")))
    balances.record_balances(db, connection, wallets(("spot", "BTC", "2"), missing={"futures": "no permission"}))
    assert [("futures", "USDT", "10"), ("spot", "BTC", "2")] == held(db)


def test_an_asset_that_is_gone_goes_with_a_change_to_zero(db):
    connection = a_connection(db)
    balances.record_balances(db, connection, wallets(("spot", "BTC", "1"), ("spot", "ETH", "2"), ("old", "X", "1")))
    changed = balances.record_balances(db, connection, wallets(("spot", "BTC", "1"), ("spot", "ETH", "0")))
    assert [("old", "X", Decimal(0), Decimal(1)), ("spot", "ETH", Decimal(0), Decimal(2))] == [
        (each.account_type, each.asset, each.total, each.before) for each in changed
    ]
    assert [("spot", "BTC", "1")] == held(db)


def test_a_debt_and_a_hold_are_kept(db):
    connection = a_connection(db)
    told = Balance(account_type="margin", asset="BTC", total=Decimal("-0.1"), free=Decimal(0), used=Decimal("0.2"))
    balances.record_balances(db, connection, Wallets(balances=(told,)))
    (line,) = balances.list_balances(db, connection_id=connection)
    assert (Decimal("-0.1"), Decimal(0), Decimal("0.2")) == (line.total, line.free, line.used)


def test_an_asset_named_twice_in_one_wallet_is_added_up(db):
    connection = a_connection(db)
    balances.record_balances(db, connection, wallets(("spot", "BTC", "1"), ("spot", "BTC", "0.5")))
    assert [("spot", "BTC", "1.5")] == held(db)


def test_what_is_held_tells_which_prices_are_wanted(db):
    one, two, gone = a_connection(db), a_connection(db, exchange="elsewhere"), a_connection(db)
    for connection, asset in ((one, "BTC"), (two, "ETH"), (gone, "DOGE")):
        balances.record_balances(db, connection, wallets(("spot", asset, "1")))
    connections.remove_connection(db, gone)
    assert {"someplace": {"BTC"}, "elsewhere": {"ETH"}} == balances.held_assets(db)
    assert 2 == len(balances.list_balances(db))
