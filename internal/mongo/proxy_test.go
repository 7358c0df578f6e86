package mongo

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
)

// MongoDB's wire protocol: every message begins with its length, its number,
// the number it answers and its kind; of the two kinds with a command, the
// command stands behind flags and one byte, or behind a name and two numbers.
const (
	opQuery   = 2004
	opMessage = 2013
)

// proxy stands in front of a server, knows which command each message is, and
// keeps some from the server.
type proxy struct {
	to string

	mu     sync.Mutex
	seen   map[string]bool
	refuse func(command string, body bson.Raw) int // answer with this number instead, unless it is 0
	silent string                                  // the command that is neither passed on nor answered
}

// newProxy gives a proxy in front of a server, and the server as it is reached
// through it.
func newProxy(t *testing.T, e *mover.Endpoint) (*proxy, *mover.Endpoint) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &proxy{to: net.JoinHostPort(e.Host, strconv.Itoa(e.Port)), seen: map[string]bool{}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // the test is over
			}
			go p.pass(conn)
		}
	}()
	through := *e
	through.Host, through.Port, through.ReplicaSet = "127.0.0.1", l.Addr().(*net.TCPAddr).Port, ""
	through.Hosts = []string{l.Addr().String()}
	return p, &through
}

// set changes what the proxy does from now on.
func (p *proxy) set(refuse func(string, bson.Raw) int, silent string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse, p.silent = refuse, silent
}

// commands are those that came by since the last call.
func (p *proxy) commands() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	names := slices.Sorted(maps.Keys(p.seen))
	p.seen = map[string]bool{}
	return names
}

func (p *proxy) pass(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	var writing sync.Mutex
	go func() {
		for {
			message, err := readMessage(server)
			if err != nil {
				_ = client.Close()
				return
			}
			writing.Lock()
			_, _ = client.Write(message) // how a connection ends is its users' business
			writing.Unlock()
		}
	}()
	for {
		message, err := readMessage(client)
		if err != nil {
			return
		}
		name, body := commandOf(message)
		number, silent := p.judge(name, body)
		switch {
		case silent:
			_, _ = io.Copy(io.Discard, client)
			return
		case number != 0:
			writing.Lock()
			_, err = client.Write(refusal(message, number))
			writing.Unlock()
		default:
			_, err = server.Write(message)
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) judge(name string, body bson.Raw) (number int, silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[name] = true
	if p.refuse != nil {
		number = p.refuse(name, body)
	}
	return number, name != "" && name == p.silent
}

func readMessage(from io.Reader) ([]byte, error) {
	head := make([]byte, 16)
	if _, err := io.ReadFull(from, head); err != nil {
		return nil, err
	}
	length := int(binary.LittleEndian.Uint32(head))
	if length < 16 || length > 64<<20 {
		return nil, fmt.Errorf("a message of %d bytes", length)
	}
	message := append(head, make([]byte, length-16)...)
	_, err := io.ReadFull(from, message[16:])
	return message, err
}

// commandOf names the command of a message; $currentOp is told from other
// aggregations.
func commandOf(message []byte) (string, bson.Raw) {
	var raw bson.Raw
	switch binary.LittleEndian.Uint32(message[12:]) {
	case opMessage:
		if len(message) > 21 && message[20] == 0 {
			raw = message[21:]
		}
	case opQuery:
		if end := slices.Index(message[20:], 0); end >= 0 {
			raw = message[20+end+1+8:]
		}
	}
	if len(raw) < 5 {
		return "", nil
	}
	raw = raw[:min(len(raw), int(binary.LittleEndian.Uint32(raw)))]
	elements, err := raw.Elements()
	if err != nil || len(elements) == 0 {
		return "", nil
	}
	name := elements[0].Key()
	if stage, ok := raw.Lookup("pipeline", "0").DocumentOK(); ok && name == "aggregate" && stage.Lookup("$currentOp").Type != 0 {
		name = "aggregate $currentOp"
	}
	return name, raw
}

// refusal is an answer with an error of a number.
func refusal(message []byte, number int) []byte {
	body, err := bson.Marshal(bson.D{{Key: "ok", Value: 0.0}, {Key: "code", Value: int32(number)}, {Key: "codeName", Value: "Refused"}, {Key: "errmsg", Value: "not allowed here"}})
	if err != nil {
		panic(err)
	}
	answer := make([]byte, 21, 21+len(body))
	binary.LittleEndian.PutUint32(answer, uint32(21+len(body)))
	copy(answer[8:12], message[4:8])
	binary.LittleEndian.PutUint32(answer[12:], opMessage)
	return append(answer, body...)
}
