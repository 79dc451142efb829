"""The training loop and everything that it needs: state, checkpoints, optimizer, schedule, device."""
