package forgetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// description is GitHub's own description of its API, testdata/github: what it
// refuses the fake refuses, and the fake's answers are such as it describes.
type description struct{ router routers.Router }

// loadDescription reads the description once, which takes a tenth of a second.
func loadDescription(tb testing.TB) *description {
	tb.Helper()
	path := filepath.Join(Testdata(tb), "github", "openapi-subset.json")
	loaded, err := theDescription(path)
	if err != nil {
		tb.Fatal(err)
	}
	return loaded
}

// theDescription is read by many tests at once, and changed by none.
var (
	readDescription sync.Once
	readRouter      routers.Router
	errDescription  error
)

func theDescription(path string) (*description, error) {
	readDescription.Do(func() {
		var doc *openapi3.T
		if doc, errDescription = openapi3.NewLoader().LoadFromFile(path); errDescription != nil {
			return
		}
		doc.Servers = openapi3.Servers{{URL: "/"}}
		readRouter, errDescription = gorillamux.NewRouter(doc)
	})
	return &description{router: readRouter}, errDescription
}

// options leave the credentials to the fake, which knows more about them.
var options = &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, MultiError: true}

// request returns what is wrong with a request by the description.
func (d *description) request(r *http.Request) (*openapi3filter.RequestValidationInput, error) {
	route, params, err := d.router.FindRoute(r)
	if err != nil {
		return nil, fmt.Errorf("%s %s is not described: %w", r.Method, r.URL.Path, err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	described := body
	if string(bytes.TrimSpace(body)) == "null" && route.Operation.RequestBody != nil && !route.Operation.RequestBody.Value.Required {
		// What go-github and others send where a body may be left out, and
		// GitHub takes, although the description does not.
		described = nil
	}
	r.Body = io.NopCloser(bytes.NewReader(described))
	r.ContentLength = int64(len(described))
	input := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: options}
	err = openapi3filter.ValidateRequest(r.Context(), input)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return input, err
}

// answer returns what is wrong with an answer to a request.
func (d *description) answer(ctx context.Context, input *openapi3filter.RequestValidationInput, status int, header http.Header, body []byte) error {
	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: status, Header: header, Options: options,
	}
	return openapi3filter.ValidateResponse(ctx, answer.SetBodyBytes(body))
}
