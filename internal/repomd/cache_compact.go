package repomd

import (
	"errors"
	"fmt"
	"os"
	"strconv"
)

func segmentName(serial int64, i int) string {
	return [segmentCount]string{"primary", "filelists", "other", "members"}[i] + "." + strconv.FormatInt(serial, 10)
}

// createSegments makes the files of a cache that has none of this serial.
func (c *Cache) createSegments(serial int64) (segments [segmentCount]*segment, err error) {
	for i := range segments {
		f, err := c.root.OpenFile(segmentName(serial, i), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
		if err != nil {
			return segments, errors.Join(fmt.Errorf("repomd: make cache: %w", err), closeSegments(segments))
		}
		segments[i] = &segment{file: f}
	}
	return segments, nil
}

// closeSegments closes those that are there.
func closeSegments(segments [segmentCount]*segment) error {
	var errs []error
	for _, s := range segments {
		if s != nil {
			errs = append(errs, s.file.Close())
		}
	}
	return errors.Join(errs...)
}

// replace takes other files for those the cache has; what goes was a copy.
func (c *Cache) replace(serial int64, segments [segmentCount]*segment) {
	_ = closeSegments(c.segments)
	c.serial, c.segments = serial, segments
}

// compact writes the files anew, in the order of the repository, where more
// than half of them is needed no more. After an error the cache has the files
// it had.
func (c *Cache) compact() error {
	var live, size int64
	for _, b := range c.written {
		for doc, at := range c.blocks[b.key] {
			live += int64(at.size)
			for _, p := range b.packages {
				live += int64(p.at[doc].size)
			}
		}
	}
	for _, s := range c.segments {
		size += s.size
	}
	if size <= 2*live+c.spare {
		return nil
	}
	segments, err := c.createSegments(c.serial + 1)
	if err != nil {
		return err
	}
	compacted := Cache{packages: map[key]*cachedPackage{}, blocks: map[blockKey]cachedBlock{}, segments: segments}
	if err := compacted.copyFrom(c); err != nil {
		return errors.Join(err, closeSegments(segments))
	}
	c.replace(c.serial+1, segments)
	c.packages, c.blocks, c.written = compacted.packages, compacted.blocks, compacted.written
	return nil
}

// copyFrom takes over what the repository needs that another cache wrote last.
func (c *Cache) copyFrom(old *Cache) error {
	for _, b := range old.written {
		moved, members := &plannedBlock{key: b.key, hashed: b.hashed}, old.blocks[b.key]
		for doc := range members {
			if err := members[doc].move(old.segments[memberSegment], c.segments[memberSegment]); err != nil {
				return err
			}
		}
		c.blocks[b.key] = members
		for _, p := range b.packages {
			to := *p
			for doc := range to.at {
				if err := to.at[doc].move(old.segments[doc], c.segments[doc]); err != nil {
					return err
				}
			}
			k, err := to.item.key()
			if err != nil {
				return err
			}
			c.packages[k] = &to
			moved.packages = append(moved.packages, &to)
		}
		c.written = append(c.written, moved)
	}
	return nil
}

// move copies an extent to another segment, and is there then.
func (e *extent) move(from, to *segment) error {
	b, err := from.read(*e)
	if err != nil {
		return err
	}
	*e, err = to.append(b)
	return err
}
