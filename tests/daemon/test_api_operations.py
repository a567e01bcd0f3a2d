"""Operations over HTTP: what is kept, the newest first, and who asked for it."""

from typing import Any

from indextts_daemon.service.operations import Result
from tests.daemon.door import Door


async def told(door: Door, path: str, status: int = 200) -> Any:
    async with door.session.get(path) as response:
        assert response.status == status
        return await response.json()


async def test_operations_are_listed_the_newest_first_and_found_by_their_id(door: Door) -> None:
    operations = door.services.operations
    first = operations.begin("voices", "reload", who="file").end(Result.applied, generation=2)
    second = operations.begin("models", "activate", who="cli", subject="fake")
    second.say("It loads.")
    listed = (await told(door, "/v1/operations"))["operations"]
    assert listed[:2] == [second.now.shape(), first.shape()]
    found = await told(door, f"/v1/operations/{second.now.id}")
    assert (found["progress"], found["result"], found["who"]) == ("It loads.", "running", "cli")


async def test_an_operation_that_is_not_kept_is_not_found(door: Door) -> None:
    refusal = await told(door, "/v1/operations/zork", 404)
    assert refusal["error"]["code"] == "operation_not_found"
    assert refusal["error"]["param"] == "id"
