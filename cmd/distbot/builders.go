package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/distbot/distbot/internal/pki"
)

// BuildersConfig says how build hosts on other machines reach this hub.
type BuildersConfig struct {
	// Listen is empty for a hub without such hosts.
	Listen string `yaml:"listen"`
	// URL is where hosts call; see builderURL for what empty means.
	URL string `yaml:"url"`
	// Names are what the hub's certificate is for, besides the host of the URL.
	Names []string `yaml:"names"`
}

// dnsName is a host's name, without a wildcard: hosts have no use for one.
var dnsName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?)*\.?$`)

// check notes what could not work.
func (c BuildersConfig) check(file *settingsFile) {
	add := func(key, format string, args ...any) { file.add(at("builders", key), "builders: "+format, args...) }
	if c.Listen != "" && !isAddress(c.Listen) {
		add("listen", "listen: %q is no address such as 0.0.0.0:8443", c.Listen)
	}
	if c.URL != "" {
		if problem := hostsURLProblem(c.URL); problem != "" {
			add("url", "url: %s", problem)
		} else if c.Listen == "" {
			add("url", "url: without listen nobody answers there")
		}
	}
	for i, name := range c.Names {
		if net.ParseIP(name) == nil && !dnsName.MatchString(name) {
			file.add(at("builders", "names", i), "builders: names: %q is neither a DNS name nor an IP address", name)
		}
	}
}

// hostsURLProblem tells why build hosts could not call a hub by a URL; "" when
// they could.
func hostsURLProblem(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "it is no https URL" // what is wrong with it may be its password
	}
	if u.Scheme != "https" || u.Hostname() == "" {
		return fmt.Sprintf("%q is no https URL", u.Redacted())
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.User != nil || u.Fragment != "" {
		return fmt.Sprintf("%q must be a host and a port alone", u.Redacted())
	}
	if _, err := strconv.ParseUint(u.Port(), 10, 16); err != nil && u.Port() != "" {
		return fmt.Sprintf("%q has no port of at most 65535", u.Redacted())
	}
	return ""
}

// errNoBuilders says what to do to have build hosts.
var errNoBuilders = errors.New("this hub does not listen for build hosts: set builders.listen in distbot.yaml, 0.0.0.0:8443 for example, and start distbot serve again")

// builderURL is where build hosts call: builders.url, or else the host of
// external_url with the port of builders.listen.
func (c Config) builderURL() (*url.URL, error) {
	if c.Builders.Listen == "" {
		return nil, errNoBuilders
	}
	if c.Builders.URL != "" {
		return url.Parse(c.Builders.URL)
	}
	external, err := url.Parse(c.ExternalURL)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(c.Builders.Listen)
	if err != nil {
		return nil, err
	}
	return &url.URL{Scheme: "https", Host: net.JoinHostPort(external.Hostname(), port)}, nil
}

// builderNames are what the hub's certificate for build hosts is for.
func (c Config) builderNames() ([]string, error) {
	u, err := c.builderURL()
	if err != nil {
		return nil, err
	}
	names := []string{u.Hostname()}
	for _, name := range c.Builders.Names {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// authority is the certificate authority of the hub and its build hosts.
func (c Config) authority() (*pki.CA, error) { return pki.OpenCA(filepath.Join(c.StateDir, "ca")) }
