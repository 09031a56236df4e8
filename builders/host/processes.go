package host

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// mark is the variable by which processes of a build are found that left its
// process group. Its value is the build's directory.
const mark = "DISTBOT_HOST_BUILD"

// endTime bounds ending the processes of a build.
const endTime = 10 * time.Second

// endProcesses kills all processes with the mark of a build, and returns when
// none is left.
func endProcesses(dir string) error {
	variable := []byte(mark + "=" + dir)
	for deadline := time.Now().Add(endTime); ; {
		found, err := marked(variable)
		if err != nil || len(found) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("host: processes %v do not end", found)
		}
		for _, pid := range found {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("host: kill process %d: %w", pid, err)
			}
		}
	}
}

// marked lists the processes with a variable in their environment. Zombies have
// none.
func marked(variable []byte) ([]int, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var found []int
	for _, dir := range dirs {
		// Processes of others can't be read, and all may end meanwhile.
		text, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil {
			continue
		}
		for entry := range bytes.SplitSeq(text, []byte{0}) {
			if bytes.Equal(entry, variable) {
				pid, err := strconv.Atoi(filepath.Base(dir))
				if err != nil {
					return nil, err
				}
				found = append(found, pid)
				break
			}
		}
	}
	return found, nil
}
