"""A small web program with Flask-SQLAlchemy: notes that are written, changed and listed page by page; the user lands in the log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import orm

import eventdb


class Base(orm.DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Note(db.Model):  # type: ignore[name-defined, misc]
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    text: orm.Mapped[str]


def make_app(url: str) -> flask.Flask:
    app = flask.Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db.init_app(app)

    @app.post("/notes")
    def add() -> Any:
        with eventdb.context(actor=flask.request.headers["X-User"]):
            note = Note(text=flask.request.get_json()["text"])
            db.session.add(note)
            db.session.commit()
        return {"id": note.id}, 201

    @app.get("/notes")
    def listing() -> Any:
        page = db.paginate(db.select(Note).order_by(Note.id), per_page=2, max_per_page=2)
        return {"notes": [note.text for note in page], "total": page.total, "pages": page.pages}

    @app.put("/notes/<int:number>")
    def change(number: int) -> Any:
        note = db.get_or_404(Note, number)
        with eventdb.context(actor=flask.request.headers["X-User"]):
            note.text = flask.request.get_json()["text"]
            db.session.commit()
        return {"id": note.id}

    @app.get("/notes/<int:number>/history")
    def history(number: int) -> Any:
        rows = db.session.execute(
            db.text(
                "SELECT n.text, t.actor FROM note FOR SYSTEM_TIME ALL AS n JOIN eventdb.transactions AS t ON t.number = n.row_start_tx"
                " WHERE n.id = :number ORDER BY t.number"
            ),
            {"number": number},
        )
        return flask.jsonify([list(row) for row in rows])

    return app


@pytest.fixture
def client(tmp_path: Path) -> Iterator[FlaskClient]:
    app = make_app(f"eventdb:///{tmp_path / 'notes.eventdb'}")
    with app.app_context():
        db.create_all()
    yield app.test_client()
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def test_notes(client: FlaskClient) -> None:
    for text in ("a", "b", "c"):
        assert client.post("/notes", json={"text": text}, headers={"X-User": "ann"}).status_code == 201
    assert client.get("/notes?page=2").get_json() == {"notes": ["c"], "total": 3, "pages": 2}
    assert client.put("/notes/2", json={"text": "B"}, headers={"X-User": "bob"}).status_code == 200
    assert client.put("/notes/9", json={"text": "B"}, headers={"X-User": "bob"}).status_code == 404
    assert client.get("/notes/2/history").get_json() == [["b", "ann"], ["B", "bob"]]
