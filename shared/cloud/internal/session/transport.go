package session

import (
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// plainBody hides WriteTo of the SDK's request bodies from the transport. smithy's body answers io.EOF from WriteTo
// once it is closed, which the transport takes for a failed write, and it drops a connection whose answer it is still
// reading: about one long answer in thirty over loopback.
type plainBody struct{ next aws.HTTPClient }

func (p plainBody) Do(request *http.Request) (*http.Response, error) {
	if request.Body != nil && request.Body != http.NoBody {
		request.Body = struct{ io.ReadCloser }{request.Body}
	}
	return p.next.Do(request)
}
