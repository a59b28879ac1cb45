package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/aws"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// Opts returns what every client of the cluster is made with: brokers, TLS and SASL.
// Clients that should share one token of OAUTHBEARER share the result of one call.
func (k KafkaConfig) Opts() ([]kgo.Opt, error) {
	opts := []kgo.Opt{kgo.SeedBrokers(k.Brokers...)}
	if k.TLS != nil {
		opts = append(opts, kgo.DialTLSConfig(k.TLS.Clone()))
	}
	if k.SASL != nil {
		mechanism, err := k.SASL.mechanism()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts, nil
}

func (s *SASLConfig) mechanism() (sasl.Mechanism, error) {
	switch s.Mechanism {
	case "PLAIN":
		return plain.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsSha512Mechanism(), nil
	case "OAUTHBEARER":
		if s.Token != "" {
			return oauth.Auth{Token: s.Token.Reveal()}.AsMechanism(), nil
		}
		return s.clientCredentials(), nil
	case "AWS_MSK_IAM":
		return aws.Auth{
			AccessKey: s.AccessKey, SecretKey: s.SecretKey.Reveal(), SessionToken: s.SessionToken.Reveal(),
			UserAgent: "tributary",
		}.AsManagedStreamingIAMMechanism(), nil
	}
	return nil, fmt.Errorf("unknown SASL mechanism %q", s.Mechanism)
}

// tokenTimeout is how long a token endpoint may take.
const tokenTimeout = 30 * time.Second

// clientCredentials asks the token endpoint when a broker asks for a token and the
// last one has expired. The way in which the secret is sent is fixed: finding it out
// would send it twice.
func (s *SASLConfig) clientCredentials() sasl.Mechanism {
	cfg := clientcredentials.Config{
		ClientID: s.ClientID, ClientSecret: s.ClientSecret.Reveal(),
		TokenURL: s.TokenURL, Scopes: s.Scopes, AuthStyle: oauth2.AuthStyleInHeader,
	}
	client := &http.Client{
		Timeout: tokenTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the token endpoint redirects, and a secret is not sent on")
		},
	}
	// The source outlives the context of the connection that asks first.
	source := cfg.TokenSource(context.WithValue(context.Background(), oauth2.HTTPClient, client))
	return oauth.Oauth(func(context.Context) (oauth.Auth, error) {
		token, err := source.Token()
		if refused := (*oauth2.RetrieveError)(nil); errors.As(err, &refused) && refused.Response != nil {
			// And not its body, which may repeat the secret.
			return oauth.Auth{}, fmt.Errorf("get a token for Kafka: %s answered %s", s.TokenURL, refused.Response.Status)
		}
		if err != nil {
			return oauth.Auth{}, fmt.Errorf("get a token for Kafka: %w", err)
		}
		return oauth.Auth{Token: token.AccessToken}, nil
	})
}
