//go:build unix

package kafkatest

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"tributary/test/child"
)

const dirPrefix = "tributary-kafka-"

// newDir makes the directory of a broker and locks it for as long as the returned
// file is open, after removing those whose process ended without doing so.
func newDir() (string, *os.File, error) {
	sweepDirs(os.TempDir())
	dir, err := os.MkdirTemp("", dirPrefix)
	if err != nil {
		return "", nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		os.RemoveAll(dir)
		return "", nil, err
	}
	return dir, lock, nil
}

// lockDir puts a lock file into dir. It gets its name only once it is locked, so that
// no sweep sees it free in between.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Create(filepath.Join(dir, "lock.new"))
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, "lock")); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// sweepDirs removes the directories of brokers whose owner is gone: a test process
// that times out or is killed runs no cleanup, and leaves its topics behind. What
// cannot be removed is left to the next sweep.
func sweepDirs(parent string) {
	dirs, _ := filepath.Glob(filepath.Join(parent, dirPrefix+"*"))
	for _, dir := range dirs {
		f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.RemoveAll(dir)
		}
		f.Close()
	}
}

// freePorts returns ports on which nothing listens.
func freePorts() (ports, error) {
	found, err := child.FreePorts(3)
	if err != nil {
		return ports{}, fmt.Errorf("kafkatest: %w", err)
	}
	return ports{client: found[0], internal: found[1], controller: found[2]}, nil
}
