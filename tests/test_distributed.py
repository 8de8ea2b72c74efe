"""Two gloo ranks against one process: the MMSI loss of the global batch, and its gradients after averaging."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn

from shapebias.objective import MMSILoss, mmsi_loss

RANKS = 2


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 5)).double()


def views() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    a = torch.randn(12, 6, generator=generator, dtype=torch.float64)
    return a, a + 0.8 * torch.randn(12, 6, generator=generator, dtype=torch.float64)


def worker(rank: int, folder: str, axis: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet-{axis}", rank=rank, world_size=RANKS)
    model = nn.parallel.DistributedDataParallel(network())
    a, b = (view[rank::RANKS] for view in views())
    z = model(torch.cat([a, b]))
    loss = MMSILoss(axis=axis)(*z.chunk(2))  # type: ignore[arg-type]
    loss.backward()
    total = loss.detach().clone()
    dist.all_reduce(total)
    if rank == 0:
        torch.save([total / RANKS, *(p.grad for p in model.parameters())], f"{folder}/{axis}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("axis", ["batch", "channel"])
def test_two_ranks_equal_one_process(tmp_path: Path, axis: str) -> None:
    torch.multiprocessing.spawn(worker, (str(tmp_path), axis), nprocs=RANKS)
    loss, *gradients = torch.load(tmp_path / f"{axis}.pt", weights_only=True)
    model = network()
    a, b = views()
    expected = mmsi_loss(*model(torch.cat([a, b])).chunk(2), axis=axis)  # type: ignore[arg-type]
    expected.backward()
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-10, atol=1e-12)
    for gradient, parameter in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-8, atol=1e-12)
