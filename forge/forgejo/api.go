package forgejo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/distbot/distbot/forge"
)

const (
	// maxAnswer bounds an answer of the API, in bytes: 50 statuses with
	// repository and creators are some 70 kB.
	maxAnswer = 4 << 20
	// maxMoves bounds how many redirects one call follows.
	maxMoves = 3
	// permission is what the token needs for statuses.
	permission = "scope write:repository and write access to the repository"
)

// call sends one request to path below /api/v1 and decodes the answer into
// into, if that is not nil. It returns the answer's status, or 0 without one,
// and the errors of forge.Forge.SetStatus.
//
// A renamed repository answers 301 to every method. net/http would turn a POST
// into a GET then, which succeeds and sets nothing, so call sends the same
// request again itself, and only to the same forge.
func (f *Forge) call(ctx context.Context, method, path string, body, into any) (int, error) {
	if f.token == nil {
		return 0, errNoToken
	}
	token, err := f.token()
	if err != nil {
		return 0, err
	}
	if err := forge.CheckToken(token); err != nil {
		return 0, err
	}
	var content []byte
	if body != nil {
		if content, err = json.Marshal(body); err != nil {
			return 0, err
		}
	}
	target, err := url.Parse(f.origin.String() + "/api/v1" + path)
	if err != nil {
		return 0, err
	}
	for range 1 + maxMoves {
		answer, moved, err := f.send(ctx, method, target, token, content)
		if err != nil {
			return 0, err
		}
		if moved != nil {
			target = moved
			continue
		}
		return answer.status, answer.decode(into)
	}
	return 0, errors.New("too many redirects")
}

// answer is one answer of the API, read and closed.
type answer struct {
	status int
	body   []byte
	err    error
}

func (a answer) decode(into any) error {
	if a.err != nil || into == nil {
		return a.err
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		return fmt.Errorf("decode answer %d: %w", a.status, err)
	}
	return nil
}

// send makes one HTTP request. It returns where the resource moved to, if the
// answer is a redirect within the forge.
func (f *Forge) send(ctx context.Context, method string, target *url.URL, token string, content []byte) (answer, *url.URL, error) {
	req, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(content))
	if err != nil {
		return answer{}, nil, err
	}
	req.Header.Set("Authorization", "token "+token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "distbot")
	if content != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return answer{}, nil, forge.ConnectionError(ctx, err)
	}
	defer resp.Body.Close()
	if location, err := resp.Location(); err == nil && resp.StatusCode >= 300 && resp.StatusCode < 400 {
		if !f.origin.Same(location) {
			return answer{}, nil, errors.New("the forge redirects to another host")
		}
		return answer{}, location, nil
	}
	data, err := io.ReadAll(http.MaxBytesReader(nil, resp.Body, maxAnswer))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return answer{}, nil, fmt.Errorf("answer is larger than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return answer{}, nil, forge.ConnectionError(ctx, err)
	}
	got := answer{status: resp.StatusCode, body: data}
	if got.status < 200 || got.status > 299 {
		got.err = f.refusal(resp, data, token)
	}
	return got, nil, nil
}

func (f *Forge) refusal(resp *http.Response, body []byte, token string) error {
	var said struct {
		Message string `json:"message"`
	}
	// A proxy in front of the forge answers HTML: then there is no message.
	_ = json.Unmarshal(body, &said)
	return forge.Refusal{
		StatusCode: resp.StatusCode,
		Header:     resp.Header,
		Message:    said.Message,
		Permission: permission,
		Token:      token,
		Now:        f.now(),
	}.Err()
}
