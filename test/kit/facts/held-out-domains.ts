/** Answers of other domains in other words: written after the rules of facts were tuned, and never used to tune them. */
import type { Domain, Vocabulary } from './pairs.ts'

const listed = (words: string): string[] => words.split(' ')

const VOCABULARY: Vocabulary = {
  first: listed(
    'Sofia Liam Noor Tobias Camille Ignacio Giulia Aylin Henrik Beatriz Mateo Yuki Rosa Piotr'
  ),
  last: listed(
    'Andersson Fischer Laurent Romero Ferrari Novák Silva Becker Girard Iglesias Conti Weber Haddad'
  ),
  places: listed(
    'Wien Nantes Bilbao Verona Köln Oxford Zürich Toulouse Málaga Palermo Bristol Luzern'
  ),
  quotes: [
    'late arrival',
    'quiet room',
    'pay by card',
    'bring a laptop',
    'second floor',
    'vegan menu',
    'full refund',
    'no smoking',
  ],
  codes: [
    'user.name',
    'MAX_RETRIES',
    'isEnabled',
    'batch_size',
    'flushQueue()',
    'pool_limit',
    'useCache',
    'log_level',
  ],
  hosts: [
    'www-hotel.example.net',
    'academy.example.org',
    'jobs.nordwind.de',
    'billing.example.com',
    'docs.devtool.io',
  ],
  id: (draw) =>
    draw.one([
      `BK${draw.digits(6)}`,
      `RE-2026-${draw.digits(4)}`,
      `${1 + draw.below(9)}${draw.digits(6)}`,
      `C-${draw.digits(3)}/${draw.digits(2)}`,
    ]),
}

const HOTEL: Domain = {
  vocabulary: VOCABULARY,
  wordings: {
    en: [
      'Thank you, {name}. Booking {id} covers {count} nights in {place} from {date}. Breakfast [[is included||is not included]]. The total comes to {amount}. Request noted: {quote}.',
      'Good morning {name}! Your stay in {place} begins on {date} and lasts {count} nights (booking {id}). You owe {amount}, [[with breakfast included||breakfast not included]]. We have recorded your wish {quote}.',
      'We look forward to welcoming {name} to {place} on {date}. Reference {id}, {count} nights, {amount} in all. {quote} has been passed on. The price [[includes breakfast||does not include breakfast]].',
    ],
    de: [
      'Vielen Dank, {name}. Die Buchung {id} umfasst {count} Nächte in {place} ab dem {date}. Frühstück [[ist inbegriffen||ist nicht inbegriffen]]. Der Gesamtpreis beträgt {amount}. Notierter Wunsch: {quote}.',
      'Guten Morgen {name}! Ihr Aufenthalt in {place} beginnt am {date} und dauert {count} Nächte (Buchung {id}). Zu zahlen sind {amount}, [[inklusive Frühstück||ohne Frühstück]]. Ihren Wunsch {quote} haben wir vermerkt.',
      'Wir freuen uns darauf, {name} am {date} in {place} zu begrüßen. Buchungscode {id}, {count} Nächte, insgesamt {amount}. {quote} wurde weitergegeben. Das Frühstück [[gehört dazu||gehört nicht dazu]].',
    ],
    fr: [
      "Merci, {name}. La réservation {id} comprend {count} nuits à {place} à partir du {date}. Le petit-déjeuner [[est inclus||n'est pas inclus]]. Le total s'élève à {amount}. Souhait noté : {quote}.",
      'Bonjour {name} ! Votre séjour à {place} commence le {date} et dure {count} nuits (réservation {id}). Vous devez {amount}, petit-déjeuner [[compris||non compris]]. Nous avons enregistré votre souhait {quote}.',
      "Nous nous réjouissons d'accueillir {name} à {place} le {date}. Référence {id}, {count} nuits, {amount} au total. La demande {quote} a été transmise. Le prix [[inclut le petit-déjeuner||n'inclut pas le petit-déjeuner]].",
    ],
    es: [
      'Gracias, {name}. La reserva {id} incluye {count} noches en {place} a partir del {date}. El desayuno [[está incluido||no está incluido]]. El total asciende a {amount}. Deseo anotado: {quote}.',
      '¡Buenos días, {name}! Su estancia en {place} empieza el {date} y dura {count} noches (reserva {id}). Debe {amount}, [[con desayuno||sin desayuno]]. Hemos anotado su deseo {quote}.',
      'Nos alegra recibir a {name} en {place} el {date}. Referencia {id}, {count} noches, {amount} en total. Se ha transmitido la petición {quote}. El precio [[incluye el desayuno||no incluye el desayuno]].',
    ],
    it: [
      'Grazie, {name}. La prenotazione {id} comprende {count} notti a {place} dal {date}. La colazione [[è inclusa||non è inclusa]]. Il totale è di {amount}. Desiderio annotato: {quote}.',
      'Buongiorno {name}! Il Suo soggiorno a {place} comincia il {date} e dura {count} notti (prenotazione {id}). Deve pagare {amount}, [[colazione inclusa||colazione non inclusa]]. Abbiamo registrato la richiesta {quote}.',
      'Siamo lieti di accogliere {name} a {place} il {date}. Riferimento {id}, {count} notti, {amount} in tutto. La richiesta {quote} è stata inoltrata. Il prezzo [[comprende la colazione||non comprende la colazione]].',
    ],
  },
}

const INVOICE: Domain = {
  vocabulary: VOCABULARY,
  wordings: {
    en: [
      'Invoice {id} over {amount} was due on {date}. We [[have received||have not received]] your payment. After {span} a fee of {percent} applies. Contact: {email}, {phone}.',
      'Our records show {amount} for invoice {id}, due {date}. Payment [[has arrived||has not arrived]]. If {span} pass, we add {percent}. Reach accounting at {phone} or {email}.',
      'A short reminder about {id}: the deadline was {date}, the sum is {amount}, and your payment [[was booked||was never booked]]. A surcharge of {percent} follows after {span}. Write to {email} or ring {phone}.',
    ],
    de: [
      'Die Rechnung {id} über {amount} war am {date} fällig. Ihre Zahlung [[ist eingegangen||ist nicht eingegangen]]. Nach {span} wird eine Gebühr von {percent} erhoben. Kontakt: {email}, {phone}.',
      'Laut unseren Unterlagen sind {amount} für die Rechnung {id} offen, fällig am {date}. Das Geld [[haben wir erhalten||haben wir noch nicht erhalten]]. Verstreichen {span}, kommen {percent} hinzu. Die Buchhaltung erreichen Sie unter {phone} oder {email}.',
      'Eine kurze Erinnerung zu {id}: Die Frist endete am {date}, die Summe lautet {amount}, und Ihre Überweisung [[wurde gebucht||wurde nicht gebucht]]. Ein Zuschlag von {percent} folgt nach {span}. Schreiben Sie an {email} oder rufen Sie {phone} an.',
    ],
    fr: [
      "La facture {id} de {amount} était due le {date}. Votre paiement [[nous est parvenu||ne nous est pas parvenu]]. Après {span}, des frais de {percent} s'appliquent. Contact : {email}, {phone}.",
      "Selon nos dossiers, la facture {id}, échue le {date}, porte sur {amount}. Le règlement [[est arrivé||n'est pas arrivé]]. Au bout de {span}, nous ajoutons {percent}. La comptabilité répond au {phone} ou à {email}.",
      "Petit rappel concernant {id} : l'échéance était le {date}, la somme est de {amount}, et votre versement [[a été enregistré||n'a pas été enregistré]]. Une majoration de {percent} suivra après {span}. Écrivez à {email} ou appelez le {phone}.",
    ],
    es: [
      'La factura {id} por {amount} vencía el {date}. Su pago [[ha llegado||no ha llegado]]. Pasados {span} se aplica un recargo del {percent}. Contacto: {email}, {phone}.',
      'Según nuestros registros, la factura {id}, con vencimiento el {date}, es de {amount}. El dinero [[se ha recibido||no se ha recibido]]. Tras {span} añadimos un {percent}. Contabilidad atiende en el {phone} o en {email}.',
      'Un breve recordatorio sobre {id}: el plazo terminó el {date}, la suma es {amount} y su transferencia [[fue registrada||nunca fue registrada]]. Después de {span} sigue un recargo del {percent}. Escriba a {email} o llame al {phone}.',
    ],
    it: [
      'La fattura {id} di {amount} scadeva il {date}. Il Suo pagamento [[è arrivato||non è arrivato]]. Dopo {span} si applica una mora del {percent}. Contatti: {email}, {phone}.',
      'Secondo i nostri dati la fattura {id}, con scadenza il {date}, ammonta a {amount}. Il denaro [[è stato ricevuto||non è stato ricevuto]]. Trascorsi {span}, aggiungiamo il {percent}. La contabilità risponde al {phone} o a {email}.',
      'Un breve promemoria su {id}: il termine era il {date}, la somma è {amount} e il Suo bonifico [[è stato registrato||non è stato registrato]]. Una maggiorazione del {percent} segue dopo {span}. Scriva a {email} o chiami il {phone}.',
    ],
  },
}

const COURSE: Domain = {
  vocabulary: VOCABULARY,
  wordings: {
    en: [
      'Course {id} starts on {date} at {time} in {place}, taught by {name}. There are {count} seats. Beginners [[are admitted||are not admitted]]. Enrol at {url} within {span}.',
      'Your teacher {name} opens course {id} in {place} on {date}, {time}. The group has {count} places, and beginners [[can join||cannot join]]. You have {span} to sign up: {url}',
      'Places for {count} people: that is course {id} with {name}. First lesson: {date}, {time}, {place}. It is [[suitable||not suitable]] for beginners. Registration closes in {span}; go to {url}.',
    ],
    de: [
      'Der Kurs {id} beginnt am {date} um {time} in {place}, Leitung: {name}. Es gibt {count} Plätze. Anfänger [[sind zugelassen||sind nicht zugelassen]]. Melden Sie sich innerhalb von {span} unter {url} an.',
      'Ihre Lehrkraft {name} eröffnet den Kurs {id} in {place} am {date}, {time}. Die Gruppe hat {count} Plätze, und Anfänger [[können teilnehmen||können nicht teilnehmen]]. Zur Anmeldung bleiben {span}: {url}',
      'Platz für {count} Menschen bietet der Kurs {id} mit {name}. Erste Stunde: {date}, {time}, {place}. Für Anfänger ist er [[geeignet||nicht geeignet]]. Die Anmeldung schließt in {span}; besuchen Sie {url}.',
    ],
    fr: [
      'Le cours {id} débute le {date} à {time} à {place}, animé par {name}. Il y a {count} places. Les débutants [[sont admis||ne sont pas admis]]. Inscrivez-vous sur {url} sous {span}.',
      'Votre professeur {name} ouvre le cours {id} à {place} le {date}, {time}. Le groupe compte {count} places et les débutants [[peuvent participer||ne peuvent pas participer]]. Il vous reste {span} pour vous inscrire : {url}',
      '{count} personnes peuvent suivre le cours {id} avec {name}. Première leçon : {date}, {time}, {place}. Il [[convient||ne convient pas]] aux débutants. Les inscriptions ferment dans {span} ; rendez-vous sur {url}.',
    ],
    es: [
      'El curso {id} comienza el {date} a las {time} en {place}, a cargo de {name}. Hay {count} plazas. Los principiantes [[son admitidos||no son admitidos]]. Inscríbase en {url} en {span}.',
      'Su docente {name} abre el curso {id} en {place} el {date}, a las {time}. El grupo tiene {count} plazas y los principiantes [[pueden participar||no pueden participar]]. Quedan {span} para apuntarse: {url}',
      'El curso {id} con {name} ofrece {count} plazas. Primera clase: {date}, {time}, {place}. [[Es adecuado||No es adecuado]] para principiantes. La inscripción cierra en {span}; visite {url}.',
    ],
    it: [
      'Il corso {id} inizia il {date} alle {time} a {place}, tenuto da {name}. Ci sono {count} posti. I principianti [[sono ammessi||non sono ammessi]]. Si iscriva su {url} entro {span}.',
      'Il docente {name} apre il corso {id} a {place} il {date}, ore {time}. Il gruppo ha {count} posti e i principianti [[possono partecipare||non possono partecipare]]. Restano {span} per iscriversi: {url}',
      'Il corso {id} con {name} offre {count} posti. Prima lezione: {date}, ore {time}, {place}. [[È adatto||Non è adatto]] ai principianti. Le iscrizioni chiudono tra {span}; visiti {url}.',
    ],
  },
}

const INTERVIEW: Domain = {
  vocabulary: VOCABULARY,
  wordings: {
    en: [
      'Dear Ms {last}, we [[would like to invite you||cannot invite you]] to an interview for position {id} in {place}. The panel met on {date} at {time}. The salary would be {amount}. Answer within {span}.',
      'Ms {last}, concerning vacancy {id} ({place}): the panel, which met on {date}, {time}, [[decided to invite you||decided not to invite you]]. Pay: {amount}. Please reply within {span}.',
      'Regarding your application, Ms {last}: on {date} at {time} the panel for {id} in {place} sat. An invitation [[follows||will not follow]]. The job pays {amount}, and you may respond during the next {span}.',
    ],
    de: [
      'Sehr geehrte Frau {last}, zu einem Gespräch über die Stelle {id} in {place} [[laden wir Sie gern ein||können wir Sie nicht einladen]]. Die Kommission tagte am {date} um {time}. Das Gehalt läge bei {amount}. Antworten Sie binnen {span}.',
      'Frau {last}, zur Ausschreibung {id} ({place}): Die Kommission, die am {date}, {time}, tagte, hat entschieden, Sie [[einzuladen||nicht einzuladen]]. Vergütung: {amount}. Bitte melden Sie sich innerhalb von {span}.',
      'Zu Ihrer Bewerbung, Frau {last}: Am {date} um {time} trat die Kommission für {id} in {place} zusammen. Eine Einladung [[folgt||folgt nicht]]. Die Stelle ist mit {amount} dotiert, Ihre Rückmeldung erwarten wir in den nächsten {span}.',
    ],
    fr: [
      "Madame {last}, nous [[souhaitons vous inviter||ne pouvons pas vous inviter]] à un entretien pour le poste {id} à {place}. Le jury s'est réuni le {date} à {time}. Le salaire serait de {amount}. Répondez sous {span}.",
      "Madame {last}, concernant l'offre {id} ({place}) : le jury, réuni le {date}, {time}, a décidé [[de vous inviter||de ne pas vous inviter]]. Rémunération : {amount}. Merci de répondre dans les {span}.",
      'Au sujet de votre candidature, Madame {last} : le {date} à {time}, le jury pour {id} à {place} a siégé. Une invitation [[suivra||ne suivra pas]]. Le poste est payé {amount} et vous pouvez réagir durant {span}.',
    ],
    es: [
      'Estimada señora {last}: [[queremos invitarla||no podemos invitarla]] a una entrevista para el puesto {id} en {place}. El comité se reunió el {date} a las {time}. El salario sería de {amount}. Responda en {span}.',
      'Señora {last}, sobre la vacante {id} ({place}): el comité, reunido el {date}, a las {time}, decidió [[invitarla||no invitarla]]. Retribución: {amount}. Conteste en un plazo de {span}.',
      'Respecto a su candidatura, señora {last}: el {date} a las {time} sesionó el comité para {id} en {place}. La invitación [[llegará||no llegará]]. El puesto paga {amount} y puede reaccionar durante {span}.',
    ],
    it: [
      'Gentile signora {last}, [[desideriamo invitarla||non possiamo invitarla]] a un colloquio per la posizione {id} a {place}. La commissione si è riunita il {date} alle {time}. Lo stipendio sarebbe di {amount}. Risponda entro {span}.',
      "Signora {last}, sull'annuncio {id} ({place}): la commissione, riunita il {date}, ore {time}, ha deciso [[di invitarla||di non invitarla]]. Retribuzione: {amount}. Risponda per favore entro {span}.",
      'Riguardo alla Sua candidatura, signora {last}: il {date} alle {time} si è riunita la commissione per {id} a {place}. Un invito [[seguirà||non seguirà]]. Il posto è pagato {amount} e può rispondere nei prossimi {span}.',
    ],
  },
}

const RELEASE: Domain = {
  vocabulary: VOCABULARY,
  wordings: {
    en: [
      'Version 4.{count}.0 came out on {date}. The option {code} [[is supported||is not supported]] any longer than {span}. It saves {percent} of memory; {name} wrote the change {id}. Read {url}.',
      'On {date} we shipped 4.{count}.0. Memory use fell by {percent} thanks to {name} (change {id}). Within {span}, {code} [[stays supported||will no longer be supported]]. Notes: {url}',
      'Release 4.{count}.0 ({date}), change {id} by {name}: {percent} less memory. Support for {code} [[continues||does not continue]] after {span}. Documentation is at {url}.',
    ],
    de: [
      'Version 4.{count}.0 erschien am {date}. Die Option {code} [[wird||wird nicht]] länger als {span} unterstützt. Sie spart {percent} Speicher; die Änderung {id} stammt von {name}. Lesen Sie {url}.',
      'Am {date} haben wir 4.{count}.0 veröffentlicht. Der Speicherbedarf sank dank {name} um {percent} (Änderung {id}). Nach {span} wird {code} [[weiter unterstützt||nicht weiter unterstützt]]. Hinweise: {url}',
      'Ausgabe 4.{count}.0 ({date}), Änderung {id} von {name}: {percent} weniger Speicher. Die Unterstützung für {code} [[bleibt||bleibt nicht]] nach {span} bestehen. Die Dokumentation liegt unter {url}.',
    ],
    fr: [
      "La version 4.{count}.0 est sortie le {date}. L'option {code} [[est prise||n'est pas prise]] en charge au-delà de {span}. Elle économise {percent} de mémoire ; le changement {id} est de {name}. Lisez {url}.",
      'Le {date}, nous avons publié 4.{count}.0. La mémoire a baissé de {percent} grâce à {name} (changement {id}). Après {span}, {code} [[restera maintenue||ne sera pas maintenue]]. Notes : {url}',
      'Publication 4.{count}.0 ({date}), changement {id} par {name} : {percent} de mémoire en moins. La prise en charge de {code} [[continue||ne continue pas]] après {span}. La documentation se trouve sur {url}.',
    ],
    es: [
      'La versión 4.{count}.0 salió el {date}. La opción {code} [[se admite||no se admite]] más allá de {span}. Ahorra un {percent} de memoria; el cambio {id} es de {name}. Lea {url}.',
      'El {date} publicamos 4.{count}.0. La memoria bajó un {percent} gracias a {name} (cambio {id}). Después de {span}, {code} [[seguirá admitida||no seguirá admitida]]. Notas: {url}',
      'Publicación 4.{count}.0 ({date}), cambio {id} por {name}: {percent} menos de memoria. El soporte de {code} [[continúa||no continúa]] tras {span}. La documentación está en {url}.',
    ],
    it: [
      "La versione 4.{count}.0 è uscita il {date}. L'opzione {code} [[è supportata||non è supportata]] oltre {span}. Risparmia il {percent} di memoria; la modifica {id} è di {name}. Legga {url}.",
      'Il {date} abbiamo pubblicato 4.{count}.0. La memoria è scesa del {percent} grazie a {name} (modifica {id}). Dopo {span}, {code} [[resterà supportata||non resterà supportata]]. Note: {url}',
      'Rilascio 4.{count}.0 ({date}), modifica {id} di {name}: {percent} di memoria in meno. Il supporto di {code} [[continua||non continua]] dopo {span}. La documentazione è su {url}.',
    ],
  },
}

export const HELD_OUT_DOMAINS: readonly Domain[] = [HOTEL, INVOICE, COURSE, INTERVIEW, RELEASE]
