"""Networks of many small kernels on CUDA: recorded once as CUDA graphs, then started as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

__all__ = ["Recorded"]


class Recorded:
    """A network on CUDA whose kernels were recorded for batches of some shapes, and are started together.

    A network's kernels are started one by one from Python (CAM++ has a thousand), and wait for Python's lock in between
    where other threads work: recorded, 300 windows took 89 ms instead of 309 on an H100. A batch is computed as one of
    the next size recorded, for which other kernels may be chosen: CAM++'s outputs differed by up to 0.003
    (bench/README.md, "Recorded instead of compiled"). The caller holds a lock.
    """

    def __init__(
        self,
        network: Any,
        stream: Any,
        shapes: Mapping[tuple[int, ...], Sequence[int]],
        *,
        dtype: Any = None,
        beside: Recorded | None = None,
    ) -> None:
        """Record.

        Args:
            network: the network, on the device.
            stream: the stream it is used on; nobody else may use it yet.
            shapes: of a row, and for each the numbers of rows, ascending; other shapes are computed as ever.
            dtype: of the input; torch's default when None.
            beside: another one, under the same lock: both work in the same memory.
        """
        import torch

        cuda: Any = torch.cuda
        self._network = network
        self._recorded: dict[tuple[int, ...], list[tuple[torch.Tensor, Any, torch.Tensor]]] = {}
        self._pool: Any = None if beside is None else beside._pool
        with torch.inference_mode(), cuda.stream(stream):
            for row, sizes in shapes.items():
                self._recorded[row] = []
                for size in sizes:
                    given = torch.zeros((size, *row), dtype=dtype, device="cuda")
                    network(given)  # what is chosen or laid out at a first call must not be recorded
                    stream.synchronize()
                    graph = cuda.CUDAGraph()
                    # other threads go on using the device, on other streams, while this one records
                    with cuda.graph(graph, pool=self._pool, stream=stream, capture_error_mode="thread_local"):
                        answer = network(given)
                    self._pool = graph.pool()  # one for all: no two of them work at the same time
                    self._recorded[row].append((given, graph, answer))

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """The network's output; the caller is on the stream and in inference mode."""
        import torch

        sizes = self._recorded.get(tuple(batch.shape[1:]))
        if sizes is None:
            made: torch.Tensor = self._network(batch)
            return made
        answers = []
        for part in torch.split(batch, len(sizes[-1][0])):
            given, graph, answer = next(one for one in sizes if len(one[0]) >= len(part))
            given[: len(part)].copy_(part)  # the others keep what was there: no row depends on another
            graph.replay()
            answers.append(answer[: len(part)].clone())
        return answers[0] if len(answers) == 1 else torch.cat(answers)
