package buildroot

import (
	"strings"
	"testing"
)

func TestMacros(t *testing.T) {
	t.Parallel()
	text := Macros(map[string]string{"dist": ".fc37", "two": "%{expand:a\nb}\n", "_topdir": "/elsewhere"})
	for _, want := range []string{"%dist .fc37\n", "%two %{expand:a\\\nb}\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("macros lack %q:\n%s", want, text)
		}
	}
	if strings.LastIndex(text, "%_topdir /builddir/build\n") < strings.Index(text, "%_topdir /elsewhere\n") {
		t.Errorf("a tag's macro wins over the driver's:\n%s", text)
	}
}
