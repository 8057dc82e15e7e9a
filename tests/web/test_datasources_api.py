from pathlib import Path

import pytest

from .admin_app import UID, admin


async def test_a_data_source_as_terraforms_provider_looks_it_up(tmp_path: Path) -> None:
    async with admin(tmp_path) as api:
        answer = await api.client.get(f"/api/datasources/uid/{UID}", headers={"Authorization": "Bearer reader"})
        assert answer.status == 200
        assert await answer.json() == {
            "id": 1,
            "uid": UID,
            "orgId": 1,
            "name": UID,
            "type": "prometheus",
            "access": "proxy",
            "url": f"/ds/{UID}",
            "isDefault": False,
            "readOnly": True,
            "jsonData": {},
        }


@pytest.mark.parametrize(
    ("segment", "token", "status"),
    [
        (UID, "one", 200),
        ("1", "one", 200),
        ("eight", "one", 403),
        ("8", "one", 403),
        ("nobody", "reader", 404),
        ("nobody", "one", 403),
        (UID, "writer", 403),
        (UID, "wrong", 401),
    ],
)
async def test_who_may_look_up_what(tmp_path: Path, segment: str, token: str, status: int) -> None:
    async with admin(tmp_path) as api:
        headers = {"Authorization": f"Bearer {token}"}
        assert (await api.client.get(f"/api/datasources/uid/{segment}", headers=headers)).status == status
