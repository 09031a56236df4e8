package modulemd

import "gopkg.in/yaml.v3"

// Translations is a translations document: the texts of a stream in other
// languages.
type Translations struct {
	Origin
	Module, Stream string
	// Modified decides between documents: the newer wins.
	Modified uint64
	// Locales are the texts by locale, such as "de" or "zh_CN".
	Locales map[string]Translation
	Unknown []UnknownField
}

// Translation is the texts in one language.
type Translation struct {
	Summary, Description string
	// Profiles are the descriptions of profiles by name.
	Profiles map[string]string
}

func (t *Translations) title() string {
	return typeTranslations + " " + t.Module + ":" + t.Stream
}
func (t *Translations) module() string { return t.Module }

// FormatDocument appends the document's text to b and returns it: as it was
// read, or in canonical style if it was made.
func (t *Translations) FormatDocument(b []byte) []byte { return appendText(b, t) }

func (r *reader) translations(data *yaml.Node, from Origin) (document, *reader, error) {
	t := &Translations{Origin: from}
	once := r.once("data")
	err := r.fields(data, "data", func(key string, v *yaml.Node) (bool, error) {
		var err error
		switch key {
		case "module":
			return once.text(&t.Module, key, v)
		case "stream":
			return once.text(&t.Stream, key, v)
		case "modified":
			t.Modified, err = r.number(v, "data.modified")
			return true, err
		case "translations":
			return true, r.locales(t, v)
		}
		return false, nil
	})
	if err != nil {
		return nil, r, err
	}
	for _, f := range []struct {
		key     string
		missing bool
	}{{"module", t.Module == ""}, {"stream", t.Stream == ""}, {"modified", t.Modified == 0}} {
		if f.missing {
			return nil, r, reject(data, RuleMissing, "%s is missing", f.key)
		}
	}
	t.Unknown = r.unknown
	return t, r, nil
}

func (r *reader) locales(t *Translations, n *yaml.Node) error {
	if t.Locales == nil {
		t.Locales = map[string]Translation{}
	}
	return r.pairs(n, "data.translations", func(key, value *yaml.Node) error {
		path := "data.translations." + key.Value
		var texts Translation
		err := r.fields(value, path, func(key string, v *yaml.Node) (bool, error) {
			switch key {
			case "summary":
				return r.setText(&texts.Summary, v, path+".summary")
			case "description":
				return r.setText(&texts.Description, v, path+".description")
			case "profiles":
				if texts.Profiles == nil {
					texts.Profiles = map[string]string{}
				}
				return true, r.pairs(v, path+".profiles", func(name, text *yaml.Node) error {
					s, err := r.text(text, path+".profiles."+name.Value)
					texts.Profiles[name.Value] = s
					return err
				})
			}
			return false, nil
		})
		t.Locales[key.Value] = texts
		return err
	})
}
