"""How much memory a model takes on a device: measured by the tasks, read by the planner."""

from __future__ import annotations

from include.state.database import transaction

__all__ = ["decode_room", "save_model_memory"]

_USABLE = 0.9  # of a device's memory: the rest is the driver's and fragmentation


def save_model_memory(model: str, device: str, compute_type: str, *, fixed_bytes: int, bytes_per_chunk: int) -> None:
    """Remember a measurement; a larger one replaces a smaller one.

    Args:
        model: Whisper weights by name.
        device: the device's name, as in ``voiceman.device``.
        compute_type: CTranslate2's.
        fixed_bytes: loaded, nothing decoded.
        bytes_per_chunk: more for each 30-s chunk that is decoded together with others.
    """
    with transaction() as cursor:
        cursor.execute(
            "INSERT INTO voiceman.model_memory AS m (model, device, compute_type, fixed_bytes, bytes_per_chunk) "
            "VALUES (%s, %s, %s, %s, %s) ON CONFLICT (model, device, compute_type) DO UPDATE SET "
            "fixed_bytes = greatest(m.fixed_bytes, EXCLUDED.fixed_bytes), "
            "bytes_per_chunk = greatest(m.bytes_per_chunk, EXCLUDED.bytes_per_chunk), measured_at = clock_timestamp()",
            (model, device, compute_type, fixed_bytes, bytes_per_chunk),
        )


def decode_room(model: str) -> int | None:
    """30-s chunks that the smallest device seen in the last day can decode at once; None: not measured yet."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT floor(min((d.memory_bytes * %s - m.fixed_bytes) / m.bytes_per_chunk)) "
            "FROM voiceman.device d JOIN voiceman.model_memory m ON m.device = d.name "
            "WHERE m.model = %s AND d.memory_bytes IS NOT NULL AND m.bytes_per_chunk > 0 "
            "AND d.seen_at > clock_timestamp() - interval '1 day'",
            (_USABLE, model),
        )
        (room,) = cursor.fetchone()
    return None if room is None else max(int(room), 1)
