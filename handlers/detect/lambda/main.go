// Command lambda is the detect function of the hub.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/doublelock/doublelock/handlers/detect"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	h, err := detect.Wire(context.Background(), os.Getenv, nil, log)
	if err != nil {
		log.Error("start", "action", "failed", "error", err)
		os.Exit(1)
	}
	lambda.Start(h.Handle)
}
