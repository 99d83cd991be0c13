"""The loops that keep jobs moving: controller, worker, attempt, scheduler, janitor."""
