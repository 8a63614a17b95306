"""What the shared suite (test/contract/suite.ts) does not see of access, bodies and files."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

import contract.files
from conftest import TOKEN, Start, row
from contract.deps import Limits
from contract.errors import EngineError
from memory_backend import BASE, Faults


class EndlessBody:
    """A body of unknown length, sent in pieces; counts what was taken of it."""

    def __init__(self, beginning: bytes) -> None:
        self.beginning = beginning
        self.taken = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        piece = self.beginning
        while True:
            self.taken += len(piece)
            yield piece
            piece = b"x" * 1024


def outcome(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def test_refuses_a_json_body_over_the_limit_while_it_is_read(start: Start) -> None:
    engine = await start(limits=Limits(max_body_bytes=10_000))
    body = EndlessBody(b'{"model": "')
    response = await engine.client.post("/v1/chat/completions", content=body.pieces())
    assert outcome(response) == (413, "body_too_large")
    assert body.taken < 20_000


async def test_refuses_a_body_that_says_it_is_too_long(start: Start) -> None:
    engine = await start(limits=Limits(max_body_bytes=100))
    response = await engine.client.post("/v1/loss", content=b"x" * 101)
    assert outcome(response) == (413, "body_too_large")


async def test_refuses_an_upload_over_the_limit_while_it_is_read(start: Start) -> None:
    engine = await start(limits=Limits(max_file_bytes=1000))
    head = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = EndlessBody(head)
    headers = {"content-type": "multipart/form-data; boundary=x"}
    response = await engine.client.post("/v1/files", content=body.pieces(), headers=headers)
    assert outcome(response) == (413, "body_too_large")
    assert body.taken < 100_000


async def test_refuses_a_file_over_the_limit_that_fits_its_envelope(start: Start) -> None:
    engine = await start(limits=Limits(max_file_bytes=1000))
    assert outcome(await engine.upload(b"x" * 1001)) == (413, "body_too_large")
    assert (await engine.upload(b"x" * 1000)).status_code == 200


@pytest.mark.parametrize(
    ("request_parts", "param"),
    [
        ({"data": {"purpose": "fine-tune"}, "files": {"other": b"x"}}, "file"),
        ({"files": {"purpose": (None, "fine-tune"), "file": (None, "text")}}, "file"),
        ({"files": {"file": b"{}"}}, "purpose"),
        ({"content": b"not multipart"}, None),
        ({"content": b"", "headers": {"content-type": "multipart/form-data"}}, None),
    ],
)
async def test_names_what_an_upload_lacks(
    start: Start, request_parts: dict, param: str | None
) -> None:
    engine = await start()
    response = await engine.client.post("/v1/files", **request_parts)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


async def test_gives_the_bytes_of_a_file_back(start: Start) -> None:
    engine = await start()
    content = "ä\r\n\n".encode() + b"\xff\x00"
    file = (await engine.upload(content)).json()
    assert file["bytes"] == len(content)
    response = await engine.client.get(f"/v1/files/{file['id']}/content")
    assert response.content == content
    restarted = await start()
    assert (await restarted.client.get(f"/v1/files/{file['id']}")).json() == file


async def test_leaves_out_a_file_with_a_broken_description(start: Start, tmp_path: Path) -> None:
    first = await start()
    broken, whole = [(await first.upload(b"{}")).json()["id"] for _ in range(2)]
    (tmp_path / "files" / f"{broken}.json").write_text('{"id": ')
    second = await start()
    listed = (await second.client.get("/v1/files")).json()["data"]
    assert [file["id"] for file in listed] == [whole]
    assert any("broken description" in message for message in second.logged)


async def test_removes_what_a_crash_left_of_an_upload(start: Start, tmp_path: Path) -> None:
    first = await start()
    whole = (await first.upload(b"{}")).json()["id"]
    folder = tmp_path / "files"
    (folder / "file-1.jsonl.0000.draft").write_text("half a fi")
    (folder / "file-2.jsonl").write_text("a file that nobody was told of")
    await start()
    assert sorted(path.name for path in folder.iterdir()) == [f"{whole}.json", f"{whole}.jsonl"]


async def test_says_why_a_full_disk_takes_no_file(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = await start()

    def full(path: Path, parts: object) -> None:
        raise EngineError("store_unavailable", f"{path} cannot be written: no space left")

    with monkeypatch.context() as patch:
        patch.setattr(contract.files, "replace_durably", full)
        response = await engine.upload(b"{}")
        assert outcome(response) == (503, "store_unavailable")
        assert "no space left" in response.json()["error"]["message"]
    assert (await engine.client.get("/v1/files")).json()["data"] == []
    assert (await engine.upload(b"{}")).status_code == 200


async def test_spent_files_make_room_oldest_first(start: Start) -> None:
    rows = [row(f"question {number}", "answer " * 8) for number in range(12)]
    engine = await start(Faults(step_seconds=0.02), limits=Limits(max_total_file_bytes=3000))
    uploaded = (await engine.upload(rows)).json()["id"]
    body = {"model": BASE, "training_file": uploaded, "hyperparameters": {"max_steps": 10}}
    job = (await engine.client.post("/v1/fine_tuning/jobs", json=body)).json()
    refused = await engine.upload(rows)
    assert outcome(refused) == (503, "store_unavailable")
    assert "file storage is full" in refused.json()["error"]["message"]
    await engine.finished(job["id"])
    assert (await engine.upload(rows)).status_code == 200
    assert (await engine.client.get(f"/v1/files/{uploaded}")).status_code == 404


@pytest.mark.parametrize(
    "value", [f"Bearer {TOKEN[:-1]}x", f"Bearer {TOKEN}x", TOKEN, f"bearer {TOKEN}", "", "Bearer é"]
)
async def test_refuses_every_other_token(start: Start, value: str) -> None:
    engine = await start()
    headers = [(b"authorization", value.encode())]
    response = await engine.client.get("/v1/models", headers=headers)
    assert outcome(response) == (401, "unauthorized")


async def test_asks_for_a_token_before_it_reads_a_body(start: Start) -> None:
    engine = await start(limits=Limits(max_body_bytes=100))
    body = EndlessBody(b"{")
    headers = {"authorization": "Bearer wrong"}
    response = await engine.client.post("/v1/files", content=body.pieces(), headers=headers)
    assert outcome(response) == (401, "unauthorized")
    assert body.taken < 5000
    assert (await engine.client.get("/healthz", headers=headers)).json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/embeddings"), ("PUT", "/v1/files"), ("GET", "/v1/files/"), ("GET", "/other")],
)
async def test_knows_no_other_route(start: Start, method: str, path: str) -> None:
    engine = await start()
    assert outcome(await engine.client.request(method, path)) == (404, "not_found")


async def test_refuses_a_page_behind_an_unknown_item_and_a_page_of_no_size(start: Start) -> None:
    engine = await start()

    async def status(query: str) -> int:
        return (await engine.client.get(f"/v1/fine_tuning/jobs?{query}")).status_code

    assert await status("limit=10") == 200
    for query in ("after=nobody", "limit=0", "limit=1001", "limit=many", "limit=-1", "limit="):
        assert await status(query) == 400


async def test_finds_models_whose_ids_have_slashes(start: Start) -> None:
    engine = await start()
    for path in ("a/b", "a%2Fb"):
        response = await engine.client.get(f"/v1/models/{path}")
        assert outcome(response) == (404, "not_found")
        assert response.json()["error"]["message"] == "no model a/b"
