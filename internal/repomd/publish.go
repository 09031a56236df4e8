package repomd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// publish makes repomd.xml appear, complete and after everything it names. The
// error wraps ErrNotSynced when it is there.
func publish(root *os.Root, text []byte, sync func(*os.Root) error) error {
	const tmp = ".repomd.xml"
	if err := sync(root); err != nil {
		return err
	}
	if err := root.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("repomd: write repomd.xml: %w", err)
	}
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("repomd: write repomd.xml: %w", err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("repomd: write repomd.xml: %w", err)
	}
	if err := unsign(root, string(text), sync); err != nil {
		return err
	}
	if err := root.Rename(tmp, "repomd.xml"); err != nil {
		return fmt.Errorf("repomd: write repomd.xml: %w", err)
	}
	if err := sync(root); err != nil {
		return fmt.Errorf("%w: %w", err, ErrNotSynced)
	}
	return nil
}

// unsign removes a signature that does not fit the text that repomd.xml is going
// to have, for good: the new text must not come through a crash with it.
func unsign(root *os.Root, text string, sync func(*os.Root) error) error {
	const signature = "repomd.xml.asc"
	switch _, err := root.Lstat(signature); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("repomd: remove the signature: %w", err)
	}
	if same(root, text) {
		return nil
	}
	if err := root.Remove(signature); err != nil {
		return fmt.Errorf("repomd: remove the signature: %w", err)
	}
	return sync(root)
}

// same says whether repomd.xml has a text already.
func same(root *os.Root, text string) bool {
	f, err := root.Open("repomd.xml")
	if err != nil {
		return false
	}
	defer f.Close()
	there, err := io.ReadAll(io.LimitReader(f, int64(len(text))+1))
	return err == nil && string(there) == text
}

func syncDir(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return fmt.Errorf("repomd: sync: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("repomd: sync: %w", err)
	}
	return nil
}
