package modulemd

import "gopkg.in/yaml.v3"

// Defaults is a defaults document: which stream of a module is active unless a
// user enables another, and which profiles are installed unless a user names
// some.
type Defaults struct {
	Origin
	Module string
	// Modified decides between documents of several repositories: the newer
	// wins where two differ. By convention YYYYMMDDHHMM; 0 if not given.
	Modified uint64
	// Stream is empty if the module has no default stream.
	Stream string
	// Profiles are the default profiles by stream.
	Profiles map[string][]string
	// Intents are defaults for the purposes of a system; dnf ignores them.
	Intents map[string]Intent
	Unknown []UnknownField
}

// Intent is what a defaults document says for one purpose.
type Intent struct {
	Stream   string
	Profiles map[string][]string
}

func (d *Defaults) title() string  { return typeDefaults + " " + d.Module }
func (d *Defaults) module() string { return d.Module }

// FormatDocument appends the document's text to b and returns it: as it was
// read, or in canonical style if it was made.
func (d *Defaults) FormatDocument(b []byte) []byte { return appendText(b, d) }

func (r *reader) defaults(data *yaml.Node, from Origin) (document, *reader, error) {
	d := &Defaults{Origin: from}
	once := r.once("data")
	err := r.fields(data, "data", func(key string, v *yaml.Node) (bool, error) {
		var err error
		switch key {
		case "module":
			return once.text(&d.Module, key, v)
		case "stream":
			return once.text(&d.Stream, key, v)
		case "modified":
			d.Modified, err = r.number(v, "data.modified")
			return true, err
		case "profiles":
			d.Profiles, err = r.addNestedSet(d.Profiles, v, "data.profiles")
			return true, err
		case "intents":
			return true, r.intents(d, v)
		}
		return false, nil
	})
	if err != nil {
		return nil, r, err
	}
	if d.Module == "" {
		// libmodulemd takes the document for one of a module with a name of
		// its own invention.
		return nil, r, reject(data, RuleMissing, "module is missing")
	}
	d.Unknown = r.unknown
	return d, r, nil
}

func (r *reader) intents(d *Defaults, n *yaml.Node) error {
	if d.Intents == nil {
		d.Intents = map[string]Intent{}
	}
	return r.pairs(n, "data.intents", func(key, value *yaml.Node) error {
		path := "data.intents." + key.Value
		if _, twice := d.Intents[key.Value]; twice {
			return reject(key, RuleDuplicateKey, "%s occurs twice", path)
		}
		var intent Intent
		once := r.once(path)
		err := r.fields(value, path, func(key string, v *yaml.Node) (bool, error) {
			var err error
			switch key {
			case "stream":
				return once.text(&intent.Stream, key, v)
			case "profiles":
				intent.Profiles, err = r.addNestedSet(intent.Profiles, v, path+".profiles")
				return true, err
			}
			return false, nil
		})
		d.Intents[key.Value] = intent
		return err
	})
}

// addNestedSet adds a mapping of sets to what an earlier key of the same name
// gave; a key may not be in both.
func (r *reader) addNestedSet(to map[string][]string, n *yaml.Node, path string) (map[string][]string, error) {
	sets, err := r.nestedSet(n, path)
	if err != nil {
		return nil, err
	}
	for key, set := range to {
		if _, twice := sets[key]; twice {
			return nil, reject(n, RuleDuplicateKey, "key %q occurs twice in %s", key, path)
		}
		sets[key] = set
	}
	return sets, nil
}

// once reads strings under keys that may occur only once.
func (r *reader) once(path string) onceReader { return onceReader{r, path, map[string]bool{}} }

type onceReader struct {
	r    *reader
	path string
	seen map[string]bool
}

func (o onceReader) text(dst *string, key string, n *yaml.Node) (bool, error) {
	if o.seen[key] {
		return true, reject(n, RuleDuplicateKey, "%s.%s occurs twice", o.path, key)
	}
	o.seen[key] = true
	return o.r.setText(dst, n, o.path+"."+key)
}
