package generations

import "encoding/json"

// Closure is what the check of a generation's requirements found.
type Closure struct {
	// Policy is warn or block, as the tag had it.
	Policy string `json:"policy"`
	// Problems is how many requirements nothing met, with what else was wrong,
	// Listed the first of them in words.
	Problems int      `json:"problems"`
	Listed   []string `json:"listed"`
	// Unchecked says of which architectures there was no check, and why; empty
	// where all were checked.
	Unchecked string `json:"unchecked,omitempty"`
}

// OK says whether all was checked, and nothing found.
func (c Closure) OK() bool { return c.Problems == 0 && c.Unchecked == "" }

// ReadClosure reads what was recorded with a generation, nil for nothing. What
// can't be read counts as not checked.
func ReadClosure(recorded []byte) *Closure {
	if recorded == nil {
		return nil
	}
	c := &Closure{}
	if err := json.Unmarshal(recorded, c); err != nil {
		c.Unchecked = "what was recorded can't be read"
	}
	return c
}
