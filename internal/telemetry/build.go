package telemetry

import (
	"fmt"
	"runtime/debug"
)

// Build says which program this is.
type Build struct {
	Version   string // as given to the linker, else the module's version, else "devel"
	Commit    string // of the source, with "-dirty" when it had changes; "unknown" outside a checkout
	GoVersion string
}

// ReadBuild reads the build information that the toolchain left in the program. Version wins over
// what it says; pass "" when the linker set none.
func ReadBuild(version string) Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return fromInfo(version, info)
}

func fromInfo(version string, info *debug.BuildInfo) Build {
	b := Build{Version: version, Commit: "unknown", GoVersion: info.GoVersion}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "devel"
	}
	dirty := ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "-dirty"
			}
		}
	}
	b.Commit += dirty
	return b
}

// String is the line that `penstock version` prints.
func (b Build) String() string {
	return fmt.Sprintf("penstock %s (commit %s, %s)", b.Version, b.Commit, b.GoVersion)
}
