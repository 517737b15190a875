"""The cell in MuJoCo, built from `worlds/*.sdf` and the robot's URDF."""

import os

# How MuJoCo draws is fixed when it is imported: without a screen; and small pictures are drawn
# faster by the calling thread alone than by Mesa's threads.
os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("LP_NUM_THREADS", "0")
