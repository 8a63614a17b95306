/**
 * Names of months and weekdays in English, German, French, Spanish, Italian, Portuguese, Dutch, Polish,
 * Chinese, Japanese and Korean, and of time zones. All in lower case.
 */

const listed = (words: string): string[] => words.trim().split(/\s+/u)

export const MONTHS = listed(`
  january february march april may june july august september october november december
  januar jänner februar märz mai juni juli oktober dezember
  janvier février fevrier mars avril juin juillet août aout septembre octobre novembre décembre decembre
  enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre noviembre diciembre
  gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre
  janeiro fevereiro março marco maio junho julho setembro outubro novembro dezembro
  januari februari maart mei augustus
  stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia
`)

/** Words of other languages, too: dates only beside a number. */
export const SHORT_MONTHS = listed(`
  jan feb mar apr jun jul aug sept sep oct nov dec mär mrz okt dez
  janv févr avr juil déc ene abr ago dic gen mag giu lug set ott fev mai out mrt
`)

export const WEEKDAYS = listed(`
  monday tuesday wednesday thursday friday saturday sunday
  montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag
  lundi mardi mercredi jeudi vendredi samedi dimanche
  lunes martes miércoles miercoles jueves viernes sábado sabado domingo
  lunedì martedì mercoledì giovedì venerdì sabato domenica
  segunda-feira terça-feira quarta-feira quinta-feira sexta-feira
  maandag dinsdag woensdag donderdag vrijdag zaterdag zondag
  poniedziałek wtorek środa czwartek piątek sobota niedziela
`)

/** Days only beside a number, as short months. */
export const SHORT_WEEKDAYS = listed('mon tues tue wed thurs thur thu fri sat sun')

/** Weekdays in Chinese, Japanese and Korean, as the source of a regular expression. */
export const EAST_ASIAN_WEEKDAY =
  '(?:星期|周|週)[一二三四五六日天]|[月火水木金土日]曜日?|[월화수목금토일]요일'

/** The same in one character. */
export const EAST_ASIAN_DAYS = [...'一二三四五六日月火水木金土월화수목금토일']

export const TIME_ZONES = listed(
  'z utc gmt cet cest wet west eet eest msk bst ist jst kst hkt est edt cst cdt mst mdt pst pdt'
)
