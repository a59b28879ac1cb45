//go:build unix

package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Cached returns the directory called name of the user's cache. Where there is none, make
// fills a directory that then gets the name: whoever sees it can use it. Test processes
// that need it at the same time wait for the one that makes it.
func Cached(ctx context.Context, name string, make func(ctx context.Context, dir string) error) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for %s: %w", name, err)
	}
	dir := filepath.Join(cache, "tributary", name)
	if isDir(dir) {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("no place for %s: %w", name, err)
	}
	lock, err := waitLock(ctx, dir+".lock")
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if isDir(dir) {
		return dir, nil
	}
	// A fixed name: under the lock it can only be what a killed run left behind.
	part := dir + ".part"
	if err := os.RemoveAll(part); err != nil {
		return "", err
	}
	if err := os.MkdirAll(part, 0o755); err != nil {
		return "", err
	}
	defer os.RemoveAll(part)
	if err := make(ctx, part); err != nil {
		return "", err
	}
	return dir, os.Rename(part, dir)
}

// waitLock opens path and locks it. The system drops the lock when the file is closed
// or its process ends, so none is ever left behind.
func waitLock(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("lock %s: held by another process: %w", path, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
