package canon

// Time is a date-time in UTC.
type Time struct {
	Sec  int64  // since 1970-01-01T00:00:00Z
	Frac []byte // the digits of the fraction as they were written
	Leap bool   // a 61st second: Sec is that of the 60th
}

// ParseTime reads an RFC 3339 date-time with any fraction. It also takes offsets
// without a colon or without minutes, and a space or lower-case letters in the
// places of T and Z. A date-time without an offset is no instant: false.
func ParseTime(s []byte) (t Time, ok bool) {
	if len(s) < 20 || s[4] != '-' || s[7] != '-' || s[10]|0x20 != 't' && s[10] != ' ' || s[13] != ':' || s[16] != ':' {
		return t, false
	}
	year := digits(s[0:2])*100 + digits(s[2:4])
	month, day := digits(s[5:7]), digits(s[8:10])
	hour, minute, second := digits(s[11:13]), digits(s[14:16]), digits(s[17:19])
	if digits(s[0:2]) < 0 || digits(s[2:4]) < 0 || month < 1 || month > 12 || day < 1 || day > monthDays(year, month) ||
		hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 {
		return t, false
	}
	if second == 60 {
		t.Leap, second = true, 59
	}
	s = s[19:]
	if s[0] == '.' {
		n := 1
		for n < len(s) && s[n]-'0' <= 9 {
			n++
		}
		if n == 1 {
			return t, false
		}
		t.Frac, s = s[1:n], s[n:]
	}
	offset, ok := zone(s)
	t.Sec = civil(year, month, day)*86400 + int64(hour*3600+minute*60+second) - offset
	return t, ok
}

// zone reads an offset, in seconds: Z, ±hh:mm, ±hhmm or ±hh.
func zone(s []byte) (int64, bool) {
	if len(s) == 1 && s[0]|0x20 == 'z' {
		return 0, true
	}
	if len(s) == 6 && s[3] == ':' {
		s = append(append(make([]byte, 0, 5), s[:3]...), s[4:]...)
	}
	if len(s) == 3 {
		s = append(append(make([]byte, 0, 5), s...), '0', '0')
	}
	if len(s) != 5 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	h, m := digits(s[1:3]), digits(s[3:5])
	if h < 0 || h > 23 || m < 0 || m > 59 {
		return 0, false
	}
	if s[0] == '-' {
		return -int64(h*3600 + m*60), true
	}
	return int64(h*3600 + m*60), true
}

// digits reads two digits, or is far below zero.
func digits(s []byte) int {
	a, b := int(s[0])-'0', int(s[1])-'0'
	if a < 0 || a > 9 || b < 0 || b > 9 {
		return -1 << 20
	}
	return a*10 + b
}

func monthDays(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// civil returns the days since 1970-01-01 of a date in the Gregorian calendar, whose
// years are counted from March so that the leap day is the last.
func civil(year, month, day int) int64 {
	if month <= 2 {
		year, month = year-1, month+12
	}
	y := int64(year) + 400 // years before 0 too
	return y*365 + y/4 - y/100 + y/400 + int64((153*(month-3)+2)/5+day-1) - 719468 - 146097
}

// The seconds of 0000-01-01T00:00:00Z and of 10000-01-01T00:00:00Z.
const firstSecond, endSecond = -62167219200, 253402300800

// normalTime rewrites the text of a string that begins at start in dst, if it is a
// date-time, in UTC and without zeros at the end of its fraction.
func normalTime(dst []byte, start int) []byte {
	s := dst[start:]
	if len(s) < 20 || s[4] != '-' || s[10] != 'T' {
		return dst
	}
	if end := len(s) - 1; s[end] == 'Z' && (end == 19 || s[end-1] != '0') {
		return dst // it is normal already, or no date-time
	}
	t, ok := ParseTime(s)
	if !ok || t.Leap || t.Sec < firstSecond || t.Sec >= endSecond {
		return dst
	}
	n := len(t.Frac)
	for n > 0 && t.Frac[n-1] == '0' {
		n--
	}
	// The fraction stays where it is, behind 19 bytes and its point.
	writeTime(s[:19], t.Sec)
	dst = dst[:start+19]
	if n > 0 {
		dst = dst[:start+20+n]
	}
	return append(dst, 'Z')
}

// writeTime writes date and time of a second of the years 0000 to 9999 to the 19
// bytes of s.
func writeTime(s []byte, sec int64) {
	days := (sec - firstSecond) / 86400
	rest := int((sec - firstSecond) % 86400)
	// The inverse of civil (Hinnant), with 0000-03-01 as day 0 of the 400 years
	// before: 60 days after firstSecond.
	days += 146097 - 60
	era := days / 146097
	doe := days % 146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day, month, year := int(doy-(153*mp+2)/5+1), int(mp+3), int(yoe+(era-1)*400)
	if month > 12 {
		month, year = month-12, year+1
	}
	copy(s, "0000-00-00T00:00:00")
	for _, f := range [...]struct{ at, v int }{{0, year / 100}, {2, year % 100}, {5, month}, {8, day}, {11, rest / 3600}, {14, rest / 60 % 60}, {17, rest % 60}} {
		s[f.at], s[f.at+1] = byte('0'+f.v/10), byte('0'+f.v%10)
	}
}

// Micros returns the instant in microseconds since the epoch, floored. A leap second
// is the last microsecond of the one before it: no later than the instant it means,
// so a bound made of it never misses a record.
func (t Time) Micros() int64 {
	if t.Leap {
		return t.Sec*1e6 + 999999
	}
	us := int64(0)
	for i := range 6 {
		us *= 10
		if i < len(t.Frac) {
			us += int64(t.Frac[i] - '0')
		}
	}
	return t.Sec*1e6 + us
}
