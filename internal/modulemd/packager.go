package modulemd

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"gopkg.in/yaml.v3"
)

// maxConfigurationContext is how long the context of a configuration may be.
const maxConfigurationContext = 10

// defaultLicense is the licence of a module whose author names none.
const defaultLicense = "MIT"

// Packager is what a module's author writes ("modulemd-packager" 2 or 3, or a
// stream document): the input of a module build, not of a repository.
type Packager struct {
	// Format is the document's format version.
	Format int
	// Content is what the document says, as format 2 of a stream document.
	// Name and Stream may be empty; the build system then knows them.
	Content *Stream
	// Configurations are the builds that format 3 asks for; none in others.
	Configurations []Configuration
}

// Configuration is one build that a packager document of format 3 asks for:
// one stream of each required module.
type Configuration struct {
	Context, Platform       string
	BuildRequires, Requires map[string]string
	BuildOpts               *BuildOpts
}

func (p *Packager) origin() *Origin      { return &p.Content.Origin }
func (p *Packager) title() string        { return typePackager + " " + p.Content.String() }
func (p *Packager) module() string       { return p.Content.Name }
func (p *Packager) canonical() *emitNode { return p.Content.canonical() }

// ReadPackager reads the one document of an author: a packager document, or a
// stream document as MBS accepts it. Unknown keys are errors in format 3 only,
// as in libmodulemd. What cannot be read is the error, a *[FindingsError]. A
// document that can be read but not built as it is, such as one without a
// summary, has a finding of severity Error.
func ReadPackager(text []byte, opts ReadOptions) (*Packager, []Finding, error) {
	opts.Limits = opts.Limits.withDefaults()
	opts.Strict, opts.author = false, true
	if err := opts.Limits.checkText(text); err != nil {
		return nil, nil, err
	}
	chunks, err := split(text, opts.Limits)
	if err != nil {
		return nil, nil, err
	}
	if len(chunks) != 1 {
		return nil, nil, fmt.Errorf("modulemd: read packager document: %d documents instead of one: %w", len(chunks), ErrInvalid)
	}
	d, r, err := readDocument(chunks[0], opts)
	if err != nil {
		var why *rejection
		if !errors.As(err, &why) {
			return nil, nil, err
		}
		return nil, nil, &FindingsError{[]Finding{why.finding(opts.Source, "document 1", chunks[0].line)}}
	}
	switch d := d.(type) {
	case *Packager:
		return d, r.findings(d), nil
	case *Stream:
		d.Format = 2
		return &Packager{Format: 2, Content: d}, r.findings(d), nil
	}
	return nil, nil, fmt.Errorf("modulemd: read packager document: it is a %s: %w", d.title(), ErrInvalid)
}

// packager reads a packager document of format 2 or 3.
func (r *reader) packager(h header, from Origin) (document, *reader, error) {
	p := &Packager{Format: int(min(h.version, 4)), Content: &Stream{Origin: from, Format: 2}}
	var err error
	switch h.version {
	case 2:
		err = r.packagerV2(p.Content, h.data)
	case 3:
		r.strict = true
		err = r.packagerV3(p, h.data)
	default:
		err = reject(h.data, RuleHeader, "unknown format version %d of %s", h.version, h.kind)
	}
	if err != nil {
		return nil, r, err
	}
	p.Content.Unknown = r.unknown
	return p, r, nil
}

// packagerV2 reads format 2: a stream document less what the build system adds,
// which is ignored.
func (r *reader) packagerV2(s *Stream, data *yaml.Node) error {
	err := r.fields(data, "data", func(key string, v *yaml.Node) (bool, error) {
		var err error
		switch key {
		case "static_context":
			s.StaticContext, err = r.boolean(v, "data.static_context")
			return true, err
		case "dependencies":
			return true, r.dependencyBlocks(s, v)
		case "demodularized":
			return r.rpmSet(&s.Demodularized, v, "data.demodularized")
		}
		return r.streamBody(s, key, v)
	})
	s.ContentLicenses = nil
	if err == nil {
		r.incomplete(r.checkStream(s, data))
	}
	return err
}

// incomplete remarks why an author's document is not yet one to build.
func (r *reader) incomplete(err error) {
	var why *rejection
	if errors.As(err, &why) {
		r.remarks = append(r.remarks, *why)
	}
}

func (r *reader) packagerV3(p *Packager, data *yaml.Node) error {
	s := p.Content
	err := r.fields(data, "data", func(key string, v *yaml.Node) (bool, error) {
		switch key {
		case "name":
			return r.setText(&s.Name, v, "data.name")
		case "stream":
			return r.setText(&s.Stream, v, "data.stream")
		case "license":
			return r.setSet(&s.ModuleLicenses, v, "data.license")
		case "xmd":
			return r.xmd(&s.XMD, v)
		case "configurations":
			return true, r.configurations(p, v)
		case "demodularized":
			return r.rpmSet(&s.Demodularized, v, "data.demodularized")
		}
		return r.streamBody(s, key, v)
	})
	if err != nil {
		return err
	}
	if len(s.ModuleLicenses) == 0 {
		s.ModuleLicenses = []string{defaultLicense}
	}
	r.incomplete(r.checkStream(s, data))
	return nil
}

func (r *reader) configurations(p *Packager, n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		return reject(n, RuleForm, "data.configurations is not a list")
	}
	for _, c := range n.Content {
		conf, err := r.configuration(c)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(p.Configurations, func(o Configuration) bool { return o.Context == conf.Context }) {
			return reject(c, RuleContext, "two configurations have the context %q", conf.Context)
		}
		p.Configurations = append(p.Configurations, conf)
	}
	return nil
}

func (r *reader) configuration(n *yaml.Node) (Configuration, error) {
	const path = "data.configurations"
	var c Configuration
	err := r.fields(n, path, func(key string, v *yaml.Node) (bool, error) {
		var err error
		switch key {
		case "context":
			return r.setText(&c.Context, v, path+".context")
		case "platform":
			return r.setText(&c.Platform, v, path+".platform")
		case "buildrequires":
			c.BuildRequires, err = r.pinned(v, path+".buildrequires")
			return true, err
		case "requires":
			c.Requires, err = r.pinned(v, path+".requires")
			return true, err
		case "buildopts":
			c.BuildOpts, err = r.buildOpts(v)
			return true, err
		}
		return false, nil
	})
	if err != nil {
		return c, err
	}
	if c.Context == "" || len(c.Context) > maxConfigurationContext {
		return c, reject(n, RuleContext, "context %q of a configuration must have 1 to %d characters", c.Context, maxConfigurationContext)
	}
	for _, char := range []byte(c.Context) {
		if !isAlnum(char) {
			return c, reject(n, RuleContext, "context %q of a configuration may only have letters and digits", c.Context)
		}
	}
	if !hasKey(n, "platform") {
		return c, reject(n, RuleMissing, "configuration %q has no platform", c.Context)
	}
	return c, nil
}

// pinned reads requirements with exactly one stream for each module.
func (r *reader) pinned(n *yaml.Node, path string) (map[string]string, error) {
	sets, err := r.nestedSet(n, path)
	if err != nil {
		return nil, err
	}
	pinned := make(map[string]string, len(sets))
	for _, module := range slices.Sorted(maps.Keys(sets)) {
		if len(sets[module]) != 1 {
			return nil, reject(n, RuleDependency, "%s: %s must name one stream", path, module)
		}
		pinned[module] = sets[module][0]
	}
	return pinned, nil
}
