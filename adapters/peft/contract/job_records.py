"""The jobs that are remembered, in memory: which there are and what they use. Writes nothing."""

from collections.abc import Iterable, Iterator

from contract.errors import EngineError
from contract.job_store import Job, JobRecord


class JobRecords:
    """In the order of creation."""

    def __init__(self, records: Iterable[JobRecord]) -> None:
        self._records = {record.id: record for record in records}

    def __iter__(self) -> Iterator[JobRecord]:
        return iter(list(self._records.values()))

    def get(self, job_id: str) -> JobRecord:
        """Raises EngineError `not_found`."""
        record = self._records.get(job_id)
        if record is None:
            raise EngineError("not_found", f"no job {job_id}")
        return record

    def add(self, record: JobRecord) -> None:
        self._records[record.id] = record

    def remove(self, record: JobRecord) -> None:
        del self._records[record.id]

    def find(self, metadata: dict[str, str]) -> list[Job]:
        """Jobs whose metadata has all the pairs, newest first."""
        jobs = (record.job for record in reversed(self._records.values()))
        return [job for job in jobs if metadata.items() <= job["metadata"].items()]

    def finished(self) -> list[JobRecord]:
        return [record for record in self if record.is_finished]

    def unfinished(self) -> list[JobRecord]:
        return [record for record in self if not record.is_finished]

    def queued(self) -> list[JobRecord]:
        return [record for record in self if record.job["status"] == "queued"]

    def next_sequence(self) -> int:
        return max((record.sequence for record in self), default=0) + 1

    def needs_file(self, file_id: str) -> bool:
        """Whether a job that has not finished needs the file."""
        return any(not record.is_finished for record in self._users(file_id))

    def is_file_spent(self, file_id: str) -> bool:
        """Whether the file has served jobs that are all finished."""
        users = self._users(file_id)
        return bool(users) and all(record.is_finished for record in users)

    def needs_model(self, model: str) -> bool:
        """Whether a job that has not finished starts from the model."""
        return any(record.job["model"] == model for record in self.unfinished())

    def has_made(self, model: str) -> bool:
        """Whether a job has the lora as its result."""
        return any(record.job["fine_tuned_model"] == model for record in self)

    def _users(self, file_id: str) -> list[JobRecord]:
        return [
            record
            for record in self
            if file_id in (record.job["training_file"], record.job["validation_file"])
        ]
