#!/usr/bin/env bash
# qemu-user 7.2.22 (Debian 12) and numpy 2.4.6: argsort is wrong on an emulated CPU with AVX2.
#
# numpy.argsort of 64-bit integers takes an AVX2 kernel on CPUs that have no AVX-512. Under `qemu-x86_64 -cpu Haswell`
# what it returns for a permutation is often no permutation: some positions stand there twice, others not at all.
# Expected, and seen on the host itself and with numpy kept off AVX2 (NPY_DISABLE_CPU_FEATURES=X86_V3): x[argsort(x)] is
# sorted. Whoever tests an AVX2 code path on an emulated CPU finds faults in Python that are none.
# Seen: 0 of 2,000 permutations wrong on the host, hundreds under the emulator, 0 there without numpy's AVX2.
#
# Exits with 0 while that is so, with 1 as soon as it is different.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download qemu-user-static=1:7.2+dfsg-7+deb12u18+b3 > /dev/null
dpkg -x qemu-user-static_*.deb qemu
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6
cat > show.py <<'PYTHON'
import numpy as np

rng = np.random.default_rng(0)
permutations = [rng.permutation(int(rng.integers(2, 300))) for _ in range(2000)]
print(sum(bool((p[np.argsort(p)] != np.arange(len(p))).any()) for p in permutations))
PYTHON
emulator="qemu/usr/bin/qemu-x86_64-static -cpu Haswell"
host=$(venv/bin/python show.py)
emulated=$($emulator venv/bin/python show.py 2> /dev/null)
plain=$(NPY_DISABLE_CPU_FEATURES=X86_V3 $emulator venv/bin/python show.py 2> /dev/null)
echo "wrong of 2000: $host on the host, $emulated emulated, $plain emulated without numpy's AVX2 kernels"
[ "$host" = 0 ] && [ "$emulated" -gt 100 ] && [ "$plain" = 0 ]
