// Keeps the open page current: new trades, prices and connection states over server-sent events.
// The browser reconnects by itself and says which trade it saw last; what comes twice is shown once.

const MOST_ROWS = 200;
const trades = document.getElementById("trades");
const rowTemplate = document.getElementById("trade-row").content;
const priceTemplate = document.getElementById("price-item").content;
const live = document.getElementById("live");
const shown = new Map([...trades.rows].map((row) => [row.dataset.id, row]));

function say(state, text) {
  live.dataset.state = state;
  document.getElementById("live-text").textContent = text;
}

function fill(row, trade) {
  const put = (name, text) => { row.querySelector(`.${name}`).textContent = text ?? ""; };
  row.dataset.id = trade.id;
  const time = row.querySelector("time");
  time.dateTime = trade.moment;
  time.textContent = trade.time;
  for (const name of ["platform", "price", "amount", "cost", "fee", "state", "side"]) put(name, trade[name]);
  put("market", trade.symbol);
  row.querySelector(".side").dataset.side = trade.side;
  row.querySelector(".state").dataset.state = trade.state;
}

function showTrade(trade) {
  const id = String(trade.id);
  const known = shown.get(id);
  if (known) { fill(known, trade); return; }
  const row = rowTemplate.cloneNode(true).querySelector("tr");
  fill(row, trade);
  row.classList.add("new");
  const after = [...trades.rows].find((other) => other.querySelector("time").dateTime <= trade.moment);
  trades.insertBefore(row, after ?? null);
  shown.set(id, row);
  while (trades.rows.length > MOST_ROWS) {
    const last = trades.rows[trades.rows.length - 1];
    shown.delete(last.dataset.id);
    last.remove();
  }
  document.getElementById("no-trades").hidden = true;
}

function showPrice(price) {
  const key = `${price.exchange}|${price.symbol}`;
  let item = document.querySelector(`#prices li[data-key="${CSS.escape(key)}"]`);
  if (!item) {
    item = priceTemplate.cloneNode(true).querySelector("li");
    item.dataset.key = key;
    item.querySelector(".symbol").textContent = price.symbol;
    item.querySelector(".exchange").textContent = price.exchange;
    document.getElementById("prices").append(item);
  }
  item.querySelector(".last").textContent = price.last;
}

function showConnection(connection) {
  const card = document.querySelector(`[data-connection="${CSS.escape(connection.id)}"]`);
  if (!card) { location.reload(); return; }
  card.dataset.status = connection.status;
  for (const name of ["status", "stream", "proven", "trades", "note"]) {
    card.querySelector(`[data-field="${name}"]`).textContent = connection[name];
  }
  card.querySelector("progress").value = connection.progress;
}

const source = new EventSource(`/live?after=${encodeURIComponent(trades.dataset.last)}`);
source.addEventListener("open", () => say("on", "live"));
source.addEventListener("error", () => {
  if (source.readyState === EventSource.CLOSED) say("lost", "not live; reload the page");
  else say("lost", "reconnecting");
});
source.addEventListener("trades", (event) => { for (const trade of JSON.parse(event.data)) showTrade(trade); });
source.addEventListener("prices", (event) => { for (const price of JSON.parse(event.data)) showPrice(price); });
source.addEventListener("connections", (event) => {
  const { connections, trade_count: count } = JSON.parse(event.data);
  for (const connection of connections) showConnection(connection);
  document.getElementById("trade-count").textContent = count;
});
