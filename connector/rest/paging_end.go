package rest

import (
	"fmt"

	"tributary/connector"
)

// maxEmpty is how many pages without records may follow one another.
const maxEmpty = 100

// endless says that pages without records lead on and on. What lies behind them is not
// known to be nothing.
func (s *Source) endless(pages int) error {
	return &connector.StopError{
		What:   fmt.Sprintf("%s: %d pages without records followed one another, and each leads on", s.name, pages),
		Remedy: "an API that always leads on says elsewhere whether more follows: set page.more or page.end to where",
	}
}

// cutOff says that a walk would end although records follow, because nothing says how the
// next page is asked for: all behind it would be taken for gone.
func (s *Source) cutOff(p *connector.Page) error {
	rows := len(p.Records)
	if s.paging != unpaged || !s.cfg.Unordered || p.Last || rows == 0 {
		return nil
	}
	why := ""
	switch {
	case s.cfg.Next != "" || s.cfg.End != "":
		why = "the API says that more follow"
	case p.Total > rows:
		why = fmt.Sprintf("the API counts %d", p.Total)
	case p.Total < 0 && s.cfg.Size > 0 && rows >= s.cfg.Size:
		why = "that is a whole page"
	default:
		return nil
	}
	return &connector.StopError{
		What:   fmt.Sprintf("%s: %d records are shown, %s, and the config says of no way to the next page", s.name, rows, why),
		Remedy: "set under page how the API pages, or ask for all at once with a larger page.size",
	}
}
