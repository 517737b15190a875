#!/usr/bin/env bash
# Resolves requirements.in into requirements.lock, for Python 3.10 to 3.13 on Linux.
# Needs the registry; `scripts/lock.sh --upgrade` also takes newer versions of what is locked.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
"${MTOPT_PYTHON:-python3}" -m venv "$tool"
"$tool/bin/python" -m pip install --disable-pip-version-check -q uv

# PyTorch names its GPU libraries itself, with exact versions, where its GPU build is installed;
# a CPU build has none, so they are not listed.
skip=()
for name in cuda-bindings cuda-pathfinder cuda-toolkit triton nvidia-cublas nvidia-cuda-cupti \
    nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile \
    nvidia-curand nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 nvidia-nccl-cu13 \
    nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx; do
    skip+=(--no-emit-package "$name")
done

# What is locked already stays as it is, unless --upgrade is given.
[ ! -f requirements.lock ] || cp requirements.lock requirements.lock.partial
"$tool/bin/uv" pip compile requirements.in --universal --python-version 3.10 \
    --no-header --no-annotate --no-emit-index-url --no-emit-find-links -q \
    "${skip[@]}" "$@" --output-file requirements.lock.partial
{
    echo "# Made by scripts/lock.sh from requirements.in: exact versions for Python 3.10 to 3.13 on Linux."
    # The limits common to all lines are said once, above.
    grep -v '^#' requirements.lock.partial | sed \
        -e "s/ ; python_full_version < '3.14' and sys_platform == 'linux'\$//" \
        -e "s/ and python_full_version < '3.14'//" -e "s/ and sys_platform == 'linux'\$//"
} > requirements.lock.new.partial
rm requirements.lock.partial
mv requirements.lock.new.partial requirements.lock
