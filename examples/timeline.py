"""A web application whose pages show what a record went through: who changed what, when, why, and how it looked at any moment.

    python examples/timeline.py                      a contract register at http://127.0.0.1:5000, in contracts.eventdb
    python examples/timeline.py --check              run it once against a database of its own, without a server

Needs eventdb[sqlalchemy] and Flask. Ordinary SQLAlchemy models, nothing declared about history; three things make the timeline:
`eventdb.context` puts the user of each request into what it commits, `history(obj)` reads all versions of an object, and the
execution option `as_of` reads everything as of a moment.
"""

from __future__ import annotations

import datetime
import decimal
import sys
import tempfile
from pathlib import Path
from typing import Any

import flask
import sqlalchemy as sa
from sqlalchemy import orm

import eventdb
from eventdb_sqlalchemy import history


class Base(orm.DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customer"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(80), unique=True)
    contracts: orm.Mapped[list[Contract]] = orm.relationship(
        back_populates="customer", cascade="all, delete-orphan", order_by="Contract.id"
    )


class Contract(Base):
    __tablename__ = "contract"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    customer_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("customer.id", ondelete="CASCADE"), index=True)
    title: orm.Mapped[str]
    monthly: orm.Mapped[decimal.Decimal] = orm.mapped_column(sa.Numeric(10, 2))
    ends: orm.Mapped[datetime.date | None]
    customer: orm.Mapped[Customer] = orm.relationship(back_populates="contracts")


STYLE = """
<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<style>
 body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
 a { color: #0b57d0 } h1 { font-size: 1.5rem } table { border-collapse: collapse; width: 100% }
 td, th { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #ddd }
 ol { list-style: none; padding: 0; border-left: 3px solid #0b57d0 } li { padding: .3rem 0 1rem 1rem }
 small { color: #555 } form { display: flex; gap: .6rem; flex-wrap: wrap; align-items: end; margin: 1.5rem 0 }
 label { display: grid; font-size: .85rem } del { color: #a33 } ins { color: #174; text-decoration: none }
 .past { background: #fff6d6; padding: .5rem 1rem }
</style>
"""

LISTING = (
    STYLE
    + """
<title>Contracts</title><h1>Contracts</h1>
{% if moment %}<p class="past">As of transaction {{ moment }}. <a href="{{ url_for('listing') }}">Back to now</a></p>{% endif %}
<table><tr><th>Customer<th>Contract<th>Monthly<th>Ends</tr>
{% for customer in customers %}{% for contract in customer.contracts %}
<tr><td>{{ customer.name }}<td><a href="{{ url_for('timeline', number=contract.id) }}">{{ contract.title }}</a>
<td>{{ contract.monthly }}<td>{{ contract.ends or "open" }}</tr>
{% endfor %}{% endfor %}</table>
"""
)

TIMELINE = (
    STYLE
    + """
<title>{{ versions[-1].title }}</title><p><a href="{{ url_for('listing') }}">All contracts</a></p><h1>{{ versions[-1].title }}</h1>
<ol>{% for version, before in steps %}<li>
<strong>{{ {"insert": "Made", "update": "Changed", "delete": "Deleted"}[version.operation] }}</strong>
by {{ version.actor or "nobody in particular" }}
<small>{{ version.committed_at.strftime("%Y-%m-%d %H:%M:%S") }} UTC,
<a href="{{ url_for('listing', as_of=version.transaction) }}">transaction {{ version.transaction }}</a></small>
{% if version.reason %}<br><em>{{ version.reason }}</em>{% endif %}
{% if version.operation != "delete" %}{% for name in version.changed|sort if name not in ("id", "customer_id") %}
<br>{{ name }}: {% if before %}<del>{{ before[name]|shown }}</del> {% endif %}<ins>{{ version[name]|shown }}</ins>{% endfor %}{% endif %}
</li>{% endfor %}</ol>
{% if contract %}<form method="post"><label>Monthly <input name="monthly" value="{{ contract.monthly }}" required></label>
<label>Ends <input type="date" name="ends" value="{{ contract.ends or '' }}"></label><label>You <input name="user" required></label>
<label>Why <input name="reason" required></label><button>Change</button></form>{% endif %}
"""
)


def make_app(url: str) -> flask.Flask:
    """The application over the database at `url`, whose tables are made where they are missing."""
    engine = sa.create_engine(url)
    Base.metadata.create_all(engine)
    app = flask.Flask(__name__)
    app.extensions["engine"] = engine
    app.template_filter("shown")(lambda value: "nothing" if value is None else value)

    @app.get("/")
    def listing() -> str:
        moment = flask.request.args.get("as_of", type=int)
        options = {} if moment is None else {"as_of": moment}
        with orm.Session(engine) as session:
            customers = session.scalars(sa.select(Customer).order_by(Customer.name), execution_options=options).all()
            return flask.render_template_string(LISTING, customers=customers, moment=moment)

    @app.get("/contract/<int:number>")
    def timeline(number: int) -> str:
        with orm.Session(engine) as session:
            versions = history(Contract, number, session=session)
            if not versions:
                flask.abort(404)
            steps = list(zip(versions, [None, *versions], strict=False))[::-1]
            contract = session.get(Contract, number)
            return flask.render_template_string(TIMELINE, versions=versions, steps=steps, contract=contract)

    @app.post("/contract/<int:number>")
    def change(number: int) -> Any:
        form = flask.request.form
        try:
            monthly = decimal.Decimal(form["monthly"])
            ends = datetime.date.fromisoformat(form["ends"]) if form["ends"] else None
        except (decimal.InvalidOperation, ValueError):
            flask.abort(400, "Monthly is an amount, Ends a date.")
        with eventdb.context(actor=form["user"], reason=form["reason"]), orm.Session(engine) as session:
            contract = session.get(Contract, number) or flask.abort(404)
            contract.monthly, contract.ends = monthly, ends
            session.commit()
        return flask.redirect(flask.url_for("timeline", number=number))

    return app


def fill(app: flask.Flask) -> None:
    """Two customers and their contracts, where there are none yet."""
    with eventdb.context(actor="setup", reason="first contracts"), orm.Session(app.extensions["engine"]) as session:
        if session.scalar(sa.select(sa.func.count()).select_from(Customer)) == 0:
            heat = Contract(title="Heating maintenance", monthly=decimal.Decimal("49.90"), ends=datetime.date(2027, 12, 31))
            lift = Contract(title="Lift inspection", monthly=decimal.Decimal("120.00"))
            session.add_all([Customer(name="Harbour School", contracts=[heat, lift])])
            session.add(Customer(name="City Library", contracts=[Contract(title="Alarm system", monthly=decimal.Decimal("75.00"))]))
            session.commit()


def check() -> None:
    """Change a contract as two users do, and look at the pages."""
    with tempfile.TemporaryDirectory() as folder:
        app = make_app(f"eventdb:///{Path(folder) / 'contracts.eventdb'}")
        fill(app)
        client = app.test_client()
        with app.extensions["engine"].connect() as connection:
            before = connection.exec_driver_sql("SELECT max(number) FROM eventdb.transactions").scalar_one()
        first = {"monthly": "55.00", "ends": "2027-12-31", "user": "ann", "reason": "price index 2026"}
        second = {"monthly": "55.00", "ends": "2028-12-31", "user": "bob", "reason": "extended by phone"}
        for form in (first, second):
            assert client.post("/contract/1", data=form).status_code == 302
        assert client.post("/contract/1", data=first | {"monthly": "much"}).status_code == 400
        page = client.get("/contract/1").get_data(as_text=True)
        for told in ("ann", "price index 2026", "<del>49.90</del>", "<ins>55.00</ins>", "bob", "extended by phone", "2028-12-31"):
            assert told in page, told
        now, then = client.get("/").get_data(as_text=True), client.get(f"/?as_of={before}").get_data(as_text=True)
        assert ("55.00" in now, "55.00" in then, "49.90" in then) == (True, False, True)
        assert client.get("/contract/99").status_code == 404
        app.extensions["engine"].dispose()
    print("The timeline of contract 1 shows both changes, with who and why, and the list as of before shows neither.")


if __name__ == "__main__":
    if "--check" in sys.argv:
        check()
    else:
        register = make_app("eventdb:///contracts.eventdb")
        fill(register)
        register.run()
