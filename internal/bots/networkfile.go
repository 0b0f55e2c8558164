package bots

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync/atomic"
	"time"
)

// lookEvery is how often it is looked whether the file has changed.
const lookEvery = 10 * time.Second

// NetworkFile is a list of networks in a file, which may be replaced while the server runs.
type NetworkFile struct {
	path     string
	log      *slog.Logger
	networks atomic.Pointer[Networks]
	read     fileState
}

// fileState is by what it is seen that a file was changed.
type fileState struct {
	size    int64
	changed time.Time
}

// OpenNetworkFile reads the file. The error is one line.
func OpenNetworkFile(path string, log *slog.Logger) (*NetworkFile, error) {
	f := &NetworkFile{path: path, log: log}
	return f, f.load()
}

// Contains reports whether the list, as it was last read, has the address.
func (f *NetworkFile) Contains(addr netip.Addr) bool { return f.networks.Load().Contains(addr) }

// Run reads the file again when it has changed, until ctx ends. Of a file that cannot be read it says so, and goes on
// with what was read before.
func (f *NetworkFile) Run(ctx context.Context) error { return f.run(ctx, lookEvery) }

func (f *NetworkFile) run(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if f.state() == f.read {
			continue
		}
		if err := f.load(); err != nil {
			f.log.Warn("the list of networks stays as it was", "error", err)
			continue
		}
		f.log.Info("the list of networks was read again", "file", f.path, "networks", f.networks.Load().Len())
	}
}

// state is that of no file while there is none.
func (f *NetworkFile) state() fileState {
	info, err := os.Stat(f.path)
	if err != nil {
		return fileState{}
	}
	return fileState{size: info.Size(), changed: info.ModTime()}
}

func (f *NetworkFile) load() error {
	f.read = f.state() // before the file is read: a change meanwhile is seen the next time
	file, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("the list of networks: %w", err)
	}
	defer func() { _ = file.Close() }()
	networks, err := ReadNetworks(file)
	if err != nil {
		return fmt.Errorf("the list of networks %s: %w", f.path, err)
	}
	f.networks.Store(networks)
	return nil
}
