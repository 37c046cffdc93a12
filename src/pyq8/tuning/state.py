"""What a search has found so far, beside the best model: whatever ends it, the same command goes on from there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pyq8.errors import DataError
from pyq8.files import write_text
from pyq8.ranking.sensitivity import SensitivityReport
from pyq8.tuning.goal import Trial
from pyq8.tuning.latency import Costs

KIND, SCHEMA = "pyq8 tune state", 1


@dataclass(frozen=True)
class State:
    """All that took time.

    Args:
        key: what the results depend on: name -> digest or value.
        costs: of the groups.
        errors: of the groups; None before they are asked for.
        trials: in order.
    """

    key: Mapping[str, str]
    costs: Costs
    errors: SensitivityReport | None = None
    trials: tuple[Trial, ...] = ()

    __hash__ = None  # type: ignore[assignment]  # holds mappings

    def save(self, path: Path) -> None:
        """Write beside, then rename.

        Raises:
            OutputError: it cannot be written.
        """
        data = {
            "kind": KIND,
            "schema": SCHEMA,
            "key": dict(self.key),
            "costs": asdict(self.costs),
            "errors": None if self.errors is None else self.errors.to_json(),
            "trials": [trial.to_json() for trial in self.trials],
        }
        write_text(json.dumps(data, indent=1) + "\n", path)


def load_state(path: Path, key: Mapping[str, str]) -> State | None:
    """What an earlier run of the same search found; None where there was none.

    Args:
        path: of the file.
        key: what this search depends on.

    Raises:
        DataError: the file is of another search, or no state.
    """
    if not path.exists():
        return None
    again = "delete it to search anew, or give another -o"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if (data["kind"], data["schema"]) != (KIND, SCHEMA):
            raise ValueError(f"{data['kind']}, schema {data['schema']}")
        errors = None if data["errors"] is None else SensitivityReport.from_json(data["errors"])
        trials = tuple(Trial.from_json(trial) for trial in data["trials"])
        state = State(dict(data["key"]), Costs.from_json(data["costs"]), errors, trials)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {again}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: no state of this version ({error}); {again}") from None
    other = next((name for name in {**key, **state.key} if key.get(name) != state.key.get(name)), None)
    if other is not None:
        found, asked = (str(one.get(other, ""))[:24] for one in (state.key, key))
        raise DataError(f"{path}: was made with another {other} ({found}, now {asked}); {again}")
    return state
