/** Answers of support desks in five languages, three wordings each: the rules of facts were tuned on them. */
import type { Domain, Vocabulary } from './pairs.ts'

const listed = (words: string): string[] => words.split(' ')

const VOCABULARY: Vocabulary = {
  first: listed(
    'Anna Berta Carlos Dmitri Elena Fatima Günther Hana Iñigo Jürgen Kenji Léa Marco Nadia Olivier Paula'
  ),
  last: listed(
    'Keller Okafor Lindqvist García Nowak Schmidt Tanaka Dubois Rossi Petrov Yılmaz Moreau Bianchi Hoffmann'
  ),
  places: listed(
    'Hamburg Lyon Sevilla Milano Berlin Dublin Leeds Valencia Torino Bordeaux Graz Basel'
  ),
  quotes: [
    'Early Bird',
    'premium care',
    'keep upright',
    'Basic Plus',
    'leave at the door',
    'summer sale',
    'window seat',
    'gift wrap',
  ],
  codes: [
    'retry_count',
    'maxItems',
    'user_id',
    'session_token',
    'parseDate()',
    'cacheSize',
    'order_ref',
    'timeoutMs',
  ],
  hosts: [
    'shop.example.com',
    'acme-care.de',
    'service.nordbank.eu',
    'helpdesk.io',
    'clinic.example.org',
  ],
  id: (draw) =>
    draw.one([
      `ORD-${draw.digits(5)}`,
      `INC00${draw.digits(4)}`,
      `A${draw.digits(2)}-${draw.digits(4)}`,
      `#${1 + draw.below(9)}${draw.digits(5)}`,
    ]),
}

const REFUND: Domain = {
  vocabulary: VOCABULARY,
  wordings: {
    en: [
      'Dear {name}, your refund of {amount} for order {id} [[was approved||was not approved]]. The decision was made on {date}. Questions? Write to {email}.',
      'Hello {name}, on {date} we decided about order {id}: a refund of {amount} [[has been approved||could not be approved]]. You can reach us at {email} at any time.',
      'Hi {name}! Regarding {id}: we [[approved||did not approve]] the refund ({amount}) on {date}. If you need anything else, please do not hesitate to contact {email}.',
    ],
    de: [
      'Guten Tag {name}, Ihre Rückerstattung über {amount} für die Bestellung {id} [[wurde genehmigt||wurde nicht genehmigt]]. Die Entscheidung fiel am {date}. Fragen beantworten wir unter {email}.',
      'Hallo {name}, am {date} haben wir über den Auftrag {id} entschieden: Die Erstattung von {amount} [[wurde genehmigt||konnte nicht genehmigt werden]]. Sie erreichen uns jederzeit unter {email}.',
      'Liebe/r {name}, zu {id}: Wir haben die Rückzahlung ({amount}) am {date} [[genehmigt||leider nicht genehmigt]]. Zögern Sie nicht, uns unter {email} zu schreiben.',
    ],
    fr: [
      "Bonjour {name}, votre remboursement de {amount} pour la commande {id} [[a été approuvé||n'a pas été approuvé]]. La décision a été prise le {date}. Pour toute question, écrivez à {email}.",
      "Bonjour {name}, le {date} nous avons statué sur la commande {id} : le remboursement de {amount} [[a été approuvé||n'a pas pu être approuvé]]. Vous pouvez nous joindre à {email}.",
      "Cher client {name}, au sujet de {id} : nous [[avons approuvé||n'avons pas approuvé]] le remboursement ({amount}) le {date}. N'hésitez pas à écrire à {email}.",
    ],
    es: [
      'Estimado/a {name}: su reembolso de {amount} por el pedido {id} [[ha sido aprobado||no ha sido aprobado]]. La decisión se tomó el {date}. Si tiene preguntas, escriba a {email}.',
      'Hola {name}, el {date} decidimos sobre el pedido {id}: el reembolso de {amount} [[fue aprobado||no pudo ser aprobado]]. Puede contactarnos en {email}.',
      'Hola {name}. En cuanto a {id}, [[aprobamos||no aprobamos]] el reembolso ({amount}) el {date}. No dude en escribir a {email}.',
    ],
    it: [
      "Gentile {name}, il rimborso di {amount} per l'ordine {id} [[è stato approvato||non è stato approvato]]. La decisione è stata presa il {date}. Per domande scriva a {email}.",
      "Buongiorno {name}, il {date} abbiamo deciso sull'ordine {id}: il rimborso di {amount} [[è stato approvato||non ha potuto essere approvato]]. Può contattarci a {email}.",
      'Ciao {name}! Riguardo a {id}: [[abbiamo approvato||non abbiamo approvato]] il rimborso ({amount}) il {date}. Non esiti a scrivere a {email}.',
    ],
  },
}

const APPOINTMENT: Domain = {
  vocabulary: VOCABULARY,
  wordings: {
    en: [
      'Your appointment with Dr {last} in {place} is on {date} at {time}. It [[can be moved||cannot be moved]] within {span}. Call {phone} if you are late.',
      'Dr {last} will see you on {date} at {time} in {place}. Within {span} you [[are able to move it||are unable to move it]]. Running late? Our number is {phone}.',
      'We have booked you in with Dr {last} ({place}), {date}, {time}. [[Moving the appointment is possible within {span}.||Within {span}, moving the appointment is not possible.]] Phone: {phone}.',
    ],
    de: [
      'Ihr Termin bei Dr. {last} in {place} ist am {date} um {time}. Er [[kann||kann nicht]] innerhalb von {span} verschoben werden. Rufen Sie {phone} an, wenn Sie sich verspäten.',
      'Dr. {last} empfängt Sie am {date} um {time} in {place}. Eine Verschiebung ist innerhalb von {span} [[möglich||nicht möglich]]. Bei Verspätung wählen Sie bitte {phone}.',
      'Wir haben für Sie einen Termin bei Frau Dr. {last} reserviert: {date}, {time}, {place}. In den nächsten {span} [[können Sie ihn verschieben||können Sie ihn nicht verschieben]]. Telefon: {phone}.',
    ],
    fr: [
      'Votre rendez-vous avec le docteur {last} à {place} a lieu le {date} à {time}. Il [[peut être déplacé||ne peut pas être déplacé]] dans un délai de {span}. Appelez le {phone} en cas de retard.',
      'Le docteur {last} vous recevra le {date} à {time} à {place}. Sous {span}, [[vous pouvez le déplacer||vous ne pouvez pas le déplacer]]. En retard ? Notre numéro est le {phone}.',
      'Nous vous avons inscrit chez le docteur {last} ({place}), {date}, {time}. Un changement est [[possible||impossible]] pendant {span}. Téléphone : {phone}.',
    ],
    es: [
      'Su cita con el doctor {last} en {place} es el {date} a las {time}. [[Se puede cambiar||No se puede cambiar]] en un plazo de {span}. Llame al {phone} si llega tarde.',
      'El doctor {last} le atenderá el {date} a las {time} en {place}. Durante {span} usted [[puede cambiarla||no puede cambiarla]]. ¿Llega tarde? Nuestro número es {phone}.',
      'Hemos reservado su consulta con la doctora {last} ({place}): {date}, a las {time}. Un cambio dentro de {span} [[es posible||no es posible]]. Teléfono: {phone}.',
    ],
    it: [
      'Il Suo appuntamento con il dottor {last} a {place} è il {date} alle {time}. [[Può||Non può]] essere spostato entro {span}. Chiami il {phone} se è in ritardo.',
      'Il dottor {last} La riceverà il {date} alle {time} a {place}. Entro {span} [[è possibile spostarlo||non è possibile spostarlo]]. In ritardo? Il nostro numero è {phone}.',
      'Abbiamo prenotato la visita con la dottoressa {last} ({place}), {date}, ore {time}. Lo spostamento entro {span} [[è possibile||è impossibile]]. Telefono: {phone}.',
    ],
  },
}

const DELIVERY: Domain = {
  vocabulary: VOCABULARY,
  wordings: {
    en: [
      'Parcel {id} with {count} items [[was delivered||was not delivered]] to {name} on {date}. The note says {quote}. Track it at {url}.',
      'On {date} the parcel {id} ({count} items) [[was delivered to {name}||could not be delivered to {name}]]. There is a note, {quote}. Details: {url}',
      'Good news or not, here is the status of {id}: {count} items for {name}, [[delivered||never delivered]], {date}. Note: {quote}. You will find more on {url}.',
    ],
    de: [
      'Das Paket {id} mit {count} Artikeln [[wurde||wurde nicht]] am {date} an {name} zugestellt. Der Hinweis lautet {quote}. Verfolgen Sie es unter {url}.',
      'Am {date} [[wurde die Sendung {id} ({count} Artikel) an {name} zugestellt||konnte die Sendung {id} ({count} Artikel) nicht an {name} zugestellt werden]]. Es gibt einen Vermerk: {quote}. Einzelheiten: {url}',
      'Hier der Stand zu {id}: {count} Stück für {name}, am {date} [[zugestellt||nicht zugestellt]]. Anmerkung {quote}. Mehr dazu auf {url}.',
    ],
    fr: [
      "Le colis {id} contenant {count} articles [[a été livré||n'a pas été livré]] à {name} le {date}. La note indique {quote}. Suivez-le sur {url}.",
      "Le {date}, le colis {id} ({count} articles) [[a été livré à {name}||n'a pas pu être livré à {name}]]. Une remarque figure au dossier : {quote}. Détails : {url}",
      "Voici l'état de {id} : {count} articles pour {name}, [[livrés||jamais livrés]], {date}. Remarque : {quote}. Plus d'informations sur {url}.",
    ],
    es: [
      'El paquete {id} con {count} artículos [[se entregó||no se entregó]] a {name} el {date}. La nota dice {quote}. Sígalo en {url}.',
      'El {date} el paquete {id} ({count} artículos) [[fue entregado a {name}||no pudo ser entregado a {name}]]. Hay una observación: {quote}. Detalles: {url}',
      'Este es el estado de {id}: {count} artículos para {name}, [[entregados||nunca entregados]], {date}. Observación: {quote}. Encontrará más en {url}.',
    ],
    it: [
      'Il pacco {id} con {count} articoli [[è stato consegnato||non è stato consegnato]] a {name} il {date}. La nota dice {quote}. Lo segua su {url}.',
      'Il {date} il pacco {id} ({count} articoli) [[è stato consegnato a {name}||non ha potuto essere consegnato a {name}]]. C’è una nota: {quote}. Dettagli: {url}',
      'Ecco lo stato di {id}: {count} articoli per {name}, [[consegnati||mai consegnati]], {date}. Nota: {quote}. Altre informazioni su {url}.',
    ],
  },
}

const OUTAGE: Domain = {
  vocabulary: VOCABULARY,
  wordings: {
    en: [
      'Incident {id}: {percent} of requests failed in {place} since {time} on {date}. Set {code} to {count}. Data [[was lost||was not lost]]. Status: {url}',
      'Since {date}, {time}, {percent} of the requests in {place} have been failing ({id}). As a workaround, {code} should be {count}. [[We lost data.||We have lost no data.]] See {url}.',
      'Our site in {place} has had trouble since {time} ({date}), ticket {id}, with {percent} of calls affected. Please change {code} to {count}; data [[is lost||is not lost]]. Follow {url} for updates.',
    ],
    de: [
      'Störung {id}: {percent} der Anfragen scheitern in {place} seit {time} am {date}. Setzen Sie {code} auf {count}. Daten [[gingen verloren||gingen nicht verloren]]. Stand: {url}',
      'Seit dem {date}, {time}, schlagen {percent} der Aufrufe in {place} fehl ({id}). Als Abhilfe sollte {code} den Wert {count} haben. [[Daten gingen verloren.||Es gingen keine Daten verloren.]] Siehe {url}.',
      'Unser Standort in {place} hat seit {time} ({date}) Probleme, Vorgang {id}; betroffen sind {percent} der Anfragen. Bitte ändern Sie {code} auf {count}. Daten sind [[verloren||nicht verloren]]. Aktuelles unter {url}.',
    ],
    fr: [
      "Incident {id} : {percent} des requêtes échouent à {place} depuis {time} le {date}. Réglez {code} à {count}. Des données [[ont été perdues||n'ont pas été perdues]]. État : {url}",
      "Depuis le {date}, {time}, {percent} des appels échouent à {place} ({id}). En attendant, {code} doit valoir {count}. [[Des données sont perdues.||Aucune donnée n'est perdue.]] Voir {url}.",
      'Notre site de {place} rencontre des difficultés depuis {time} ({date}), ticket {id} ; {percent} des requêtes sont touchées. Veuillez passer {code} à {count}. Les données [[sont perdues||ne sont pas perdues]]. Suivez {url}.',
    ],
    es: [
      'Incidente {id}: el {percent} de las peticiones falla en {place} desde las {time} del {date}. Ponga {code} en {count}. [[Se perdieron datos.||No se perdieron datos.]] Estado: {url}',
      'Desde el {date}, {time}, falla el {percent} de las llamadas en {place} ({id}). Mientras tanto, {code} debe valer {count}. [[Hay datos perdidos.||No hay datos perdidos.]] Véase {url}.',
      'Nuestra sede de {place} tiene problemas desde las {time} ({date}), caso {id}; está afectado el {percent} de las peticiones. Cambie {code} a {count}. Los datos [[se han perdido||no se han perdido]]. Siga {url}.',
    ],
    it: [
      'Incidente {id}: il {percent} delle richieste fallisce a {place} dalle {time} del {date}. Imposti {code} a {count}. I dati [[sono andati persi||non sono andati persi]]. Stato: {url}',
      'Dal {date}, ore {time}, il {percent} delle chiamate a {place} non riesce ({id}). Nel frattempo {code} deve valere {count}. [[Alcuni dati sono persi.||Nessun dato è perso.]] Si veda {url}.',
      'La nostra sede di {place} ha problemi dalle {time} ({date}), caso {id}; è colpito il {percent} delle richieste. Cambi {code} in {count}. I dati [[sono persi||non sono persi]]. Segua {url}.',
    ],
  },
}

const PRESCRIPTION: Domain = {
  vocabulary: VOCABULARY,
  wordings: {
    en: [
      'Mr {last} should take {dose} every day for {span}. The prescription {id} of {date} [[may be renewed||may not be renewed]] and costs {amount}.',
      'Prescription {id} ({date}): {dose} daily over {span} for Mr {last}. [[It can be renewed.||It cannot be renewed.]] The price is {amount}.',
      'For Mr {last} the doctor ordered {dose} a day. The treatment lasts {span}. Renewal of {id}, issued on {date}, is [[possible||impossible]]. Please pay {amount}.',
    ],
    de: [
      'Herr {last} soll {span} lang täglich {dose} einnehmen. Das Rezept {id} vom {date} [[darf||darf nicht]] verlängert werden und kostet {amount}.',
      'Rezept {id} ({date}): täglich {dose} über {span} für Herrn {last}. Eine Verlängerung ist [[zulässig||nicht zulässig]]. Der Preis beträgt {amount}.',
      'Für Herrn {last} wurden {dose} am Tag verordnet. Die Behandlung dauert {span}. Das am {date} ausgestellte Rezept {id} kann [[verlängert werden||nicht verlängert werden]]. Zu zahlen sind {amount}.',
    ],
    fr: [
      "Monsieur {last} doit prendre {dose} par jour pendant {span}. L'ordonnance {id} du {date} [[peut être renouvelée||ne peut pas être renouvelée]] et coûte {amount}.",
      "Ordonnance {id} ({date}) : {dose} chaque jour durant {span} pour M. {last}. [[Elle est renouvelable.||Elle n'est pas renouvelable.]] Le prix est de {amount}.",
      'Pour Monsieur {last}, le médecin a prescrit {dose} par jour. Le traitement dure {span}. Le renouvellement de {id}, délivrée le {date}, est [[possible||impossible]]. Merci de régler {amount}.',
    ],
    es: [
      'El señor {last} debe tomar {dose} al día durante {span}. La receta {id} del {date} [[se puede renovar||no se puede renovar]] y cuesta {amount}.',
      'Receta {id} ({date}): {dose} diarios por {span} para el Sr. {last}. [[Puede renovarse.||No puede renovarse.]] El precio es de {amount}.',
      'Para el señor {last} el médico recetó {dose} cada día. El tratamiento dura {span}. La renovación de {id}, emitida el {date}, es [[posible||imposible]]. Debe pagar {amount}.',
    ],
    it: [
      'Il signor {last} deve prendere {dose} al giorno per {span}. La ricetta {id} del {date} [[può essere rinnovata||non può essere rinnovata]] e costa {amount}.',
      'Ricetta {id} ({date}): {dose} ogni giorno per {span} per il sig. {last}. [[È rinnovabile.||Non è rinnovabile.]] Il prezzo è di {amount}.',
      'Per il signor {last} il medico ha prescritto {dose} al giorno. La cura dura {span}. Il rinnovo di {id}, emessa il {date}, è [[possibile||impossibile]]. Si prega di pagare {amount}.',
    ],
  },
}

export const DOMAINS: readonly Domain[] = [REFUND, APPOINTMENT, DELIVERY, OUTAGE, PRESCRIPTION]
