package modulemd

import (
	"time"

	"gopkg.in/yaml.v3"
)

// Obsoletes is an obsoletes document: a stream, or one context of it, is or
// will be no longer maintained.
type Obsoletes struct {
	Origin
	// Modified and EOLDate are YYYYMMDDHHMM in UTC. EOLDate is 0 if the
	// obsoletion is in force at once.
	Modified, EOLDate uint64
	// Reset takes earlier obsoletes of the stream back.
	Reset          bool
	Module, Stream string
	// Context is empty if all contexts are meant.
	Context string
	Message string
	// ByModule and ByStream say what to use instead; both or neither is empty.
	ByModule, ByStream string
	Unknown            []UnknownField
}

func (o *Obsoletes) title() string {
	s := typeObsoletes + " " + o.Module + ":" + o.Stream
	if o.Context != "" {
		s += ":" + o.Context
	}
	return s
}
func (o *Obsoletes) module() string { return o.Module }

// FormatDocument appends the document's text to b and returns it: as it was
// read, or in canonical style if it was made.
func (o *Obsoletes) FormatDocument(b []byte) []byte { return appendText(b, o) }

// ActiveAt reports whether the obsoletion is in force at t.
func (o *Obsoletes) ActiveAt(t time.Time) bool { return minuteNumber(t) >= o.EOLDate }

func (r *reader) obsoletes(data *yaml.Node, from Origin) (document, *reader, error) {
	o := &Obsoletes{Origin: from}
	once := r.once("data")
	err := r.fields(data, "data", func(key string, v *yaml.Node) (bool, error) {
		var err error
		switch key {
		case "module":
			return once.text(&o.Module, key, v)
		case "stream":
			return once.text(&o.Stream, key, v)
		case "context":
			return once.text(&o.Context, key, v)
		case "message":
			return once.text(&o.Message, key, v)
		case "modified":
			o.Modified, err = r.minute(v, "data.modified")
			return true, err
		case "eol_date":
			o.EOLDate, err = r.minute(v, "data.eol_date")
			return true, err
		case "reset":
			o.Reset, err = r.boolean(v, "data.reset")
			return true, err
		case "obsoleted_by":
			return true, r.obsoletedBy(o, v)
		}
		return false, nil
	})
	if err != nil {
		return nil, r, err
	}
	o.Unknown = r.unknown
	return o, r, checkObsoletes(o, data)
}

func (r *reader) obsoletedBy(o *Obsoletes, n *yaml.Node) error {
	once := r.once("data.obsoleted_by")
	return r.fields(n, "data.obsoleted_by", func(key string, v *yaml.Node) (bool, error) {
		switch key {
		case "module":
			return once.text(&o.ByModule, key, v)
		case "stream":
			return once.text(&o.ByStream, key, v)
		}
		return false, nil
	})
}

func checkObsoletes(o *Obsoletes, data *yaml.Node) error {
	for _, f := range []struct {
		key     string
		missing bool
	}{
		{"modified", o.Modified == 0},
		{"module", o.Module == ""},
		{"stream", o.Stream == ""},
		{"message", o.Message == ""},
	} {
		if f.missing {
			return reject(data, RuleMissing, "%s is missing", f.key)
		}
	}
	switch {
	case o.Reset && o.EOLDate != 0:
		return reject(data, RuleObsoletes, "reset and eol_date cannot both be given")
	case o.Reset && (o.ByModule != "" || o.ByStream != ""):
		return reject(data, RuleObsoletes, "reset and obsoleted_by cannot both be given")
	case (o.ByModule == "") != (o.ByStream == ""):
		return reject(data, RuleObsoletes, "obsoleted_by needs both module and stream")
	}
	return nil
}
