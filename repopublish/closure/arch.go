package closure

import (
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/arch"
)

// machineArches are the architectures that dnf knows machines of
// (dnf.rpm._BASEARCH_MAP), and those that RPM has learnt since.
const machineArches = `aarch64 alpha alphaev4 alphaev45 alphaev5 alphaev56 alphaev6 alphaev67 alphaev68 alphaev7 alphapca56 amd64
	armv5tejl armv5tel armv5tl armv6l armv7l armv8l armv6hl armv7hl armv7hnl armv8hl athlon geode i386 i486 i586 i686 ia32e ia64 loongarch64
	mips mipsel mips64 mips64el ppc ppc64 ppc64iseries ppc64p7 ppc64pseries ppc64le riscv32 riscv64 riscv128 s390 s390x sh3 sh4 sh4a
	sparc sparc64 sparc64v sparcv8 sparcv9 sparcv9v x86_64 x86_64_v2 x86_64_v3 x86_64_v4`

// IsMachine says whether there are machines of an architecture.
func IsMachine(name string) bool { return slices.Contains(strings.Fields(machineArches), name) }

// IsArch says whether packages can be of an architecture.
func IsArch(name string) bool { return name == arch.Noarch || isSource(name) || IsMachine(name) }
