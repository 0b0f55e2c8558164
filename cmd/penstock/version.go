package main

import "github.com/penstock/penstock/internal/telemetry"

// version is set by the linker for a release.
var version string

type versionCommand struct{}

func (versionCommand) Run(out terminal) error {
	out.printf("%s\n", telemetry.ReadBuild(version))
	return nil
}
