package webhooks

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/queue"
)

// MaxBody is the largest body a delivery may have: GitHub's own limit.
const MaxBody = 25 << 20

// readTimeout bounds how long a sender may take over a body. Forges give up
// after 5 to 10 seconds themselves.
const readTimeout = 30 * time.Second

// Handler answers POST /webhooks/{forge}. Safe for concurrent use.
type Handler struct {
	endpoints  map[string]Endpoint
	deliveries deliveries
	logger     *slog.Logger
}

// New makes a handler. It refuses endpoints that would accept unsigned
// deliveries, and two of the same name.
func New(pool *pgxpool.Pool, inserter queue.Inserter, endpoints []Endpoint, logger *slog.Logger) (*Handler, error) {
	byName := map[string]Endpoint{}
	for _, e := range endpoints {
		if err := e.Validate(); err != nil {
			return nil, err
		}
		if _, taken := byName[e.Name]; taken {
			return nil, errors.New("webhooks: two forges are named " + e.Name)
		}
		byName[e.Name] = e
	}
	return &Handler{endpoints: byName, deliveries: deliveries{pool: pool, inserter: inserter}, logger: logger}, nil
}

// answer is the JSON body of every response.
type answer struct {
	Status   string `json:"status"`
	Delivery int64  `json:"delivery,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// ServeHTTP authenticates, stores and enqueues one delivery.
//
//	202 stored and enqueued
//	200 known already, or stored as asking nothing of us
//	400 not what its event promises    401 not authenticated, whatever the cause
//	404 no such forge                  405 not a POST
//	413 larger than MaxBody            415 not JSON
//	503 the database does not answer: nothing is stored, deliver again
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	endpoint, ok := h.endpoints[r.PathValue("forge")]
	if !ok {
		respond(w, http.StatusNotFound, answer{Status: "error", Reason: "no forge of this name is configured"})
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		respond(w, http.StatusMethodNotAllowed, answer{Status: "error", Reason: "deliveries are POSTed"})
		return
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		respond(w, http.StatusUnsupportedMediaType, answer{Status: "error", Reason: "the content type must be application/json"})
		return
	}
	body, err := readBody(w, r)
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			respond(w, http.StatusRequestEntityTooLarge, answer{Status: "error", Reason: "the body is larger than 25 MiB"})
			return
		}
		respond(w, http.StatusBadRequest, answer{Status: "error", Reason: "the body ended early"})
		return
	}
	if err := endpoint.Forge.Verify(r.Header, body, endpoint.Secrets); err != nil {
		h.logger.Warn("webhooks: delivery refused: not authenticated", "forge", endpoint.Name, "remote", r.RemoteAddr)
		respond(w, http.StatusUnauthorized, answer{Status: "error", Reason: "the delivery is not authenticated"})
		return
	}
	h.accept(w, r, endpoint, body)
}

// readBody reads at most MaxBody bytes, in at most readTimeout: nobody has been
// authenticated yet. A body that says it is larger is not read at all.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > MaxBody {
		return nil, &http.MaxBytesError{Limit: MaxBody}
	}
	// Only a real connection can have a deadline.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTimeout))
	return io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
}

// accept stores an authenticated delivery.
func (h *Handler) accept(w http.ResponseWriter, r *http.Request, endpoint Endpoint, body []byte) {
	var ignored *forge.IgnoredError
	var malformed *forge.MalformedError
	named, err := endpoint.Forge.Delivery(r.Header)
	delivery := delivery{forge: endpoint.Name, id: named.ID, event: named.Event, headers: keepHeaders(r.Header), body: body}
	var event forge.Event
	if err == nil {
		event, err = endpoint.Forge.Parse(r.Header, body)
	}
	switch {
	case errors.As(err, &ignored):
		delivery.ignored = ignored.Reason
	case errors.As(err, &malformed):
		h.logger.Warn("webhooks: delivery refused: malformed", "forge", endpoint.Name, "delivery", delivery.id, "reason", malformed.Reason)
		respond(w, http.StatusBadRequest, answer{Status: "error", Reason: malformed.Reason})
		return
	case err != nil:
		h.logger.Error("webhooks: parse delivery", "forge", endpoint.Name, "delivery", delivery.id, "error", err)
		respond(w, http.StatusBadRequest, answer{Status: "error", Reason: "the delivery could not be read"})
		return
	case !endpoint.allows(event.Repository.FullName):
		delivery.readEvent(event)
		delivery.ignored = "repository " + event.Repository.FullName + " is not in the forge's allow list"
	default:
		delivery.readEvent(event)
	}
	receipt, err := h.deliveries.store(r.Context(), delivery)
	if err != nil {
		h.logger.Error("webhooks: store delivery", "forge", endpoint.Name, "delivery", delivery.id, "error", err)
		w.Header().Set("Retry-After", "5")
		respond(w, http.StatusServiceUnavailable, answer{Status: "error", Reason: "the delivery could not be stored; deliver it again"})
		return
	}
	h.logger.Info("webhooks: delivery", "forge", endpoint.Name, "delivery", delivery.id, "event", delivery.event,
		"repository", delivery.repository, "ref", delivery.ref, "id", receipt.id, "status", receipt.status)
	code := http.StatusOK
	if receipt.status == statusReceived {
		code = http.StatusAccepted
	}
	respond(w, code, answer{Status: string(receipt.status), Delivery: receipt.id, Reason: receipt.reason})
}

func respond(w http.ResponseWriter, code int, a answer) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	a.Reason = strings.ToValidUTF8(a.Reason, "\uFFFD")
	// The sender hanging up is its own affair.
	_ = json.NewEncoder(w).Encode(a)
}
