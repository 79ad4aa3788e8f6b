// A structured report as dcmjs, written by others, reads it.
import dcmjs from 'dcmjs';

const all = (sequence) => (sequence === undefined ? [] : [sequence].flat());
const word = (sequence) => all(sequence)[0]?.CodeMeaning;

/** The template, and each measurement group: its name, its numbers with their units, and the images it is drawn on. */
export function readReport(bytes) {
  const { dict } = dcmjs.data.DicomMessage.readFile(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const report = dcmjs.data.DicomMetaDictionary.naturalizeDataset(dict);
  const groups = [];
  const walk = (item, group) => {
    const name = word(item.ConceptNameCodeSequence);
    let own = group;
    if (item.ValueType === 'CONTAINER' && name === 'Measurement Group') groups.push(own = { numbers: {}, images: new Set() });
    if (item.ValueType === 'TEXT' && name === 'Tracking Identifier') own.name = item.TextValue;
    if (item.ValueType === 'NUM') {
      const measured = all(item.MeasuredValueSequence)[0];
      own.numbers[name] = [Number(measured.NumericValue), all(measured.MeasurementUnitsCodeSequence)[0].CodeValue];
    }
    if (item.ValueType === 'IMAGE' && own) own.images.add(all(item.ReferencedSOPSequence)[0].ReferencedSOPInstanceUID);
    for (const below of all(item.ContentSequence)) walk(below, own);
  };
  walk(report);
  return { template: all(report.ContentTemplateSequence)[0].TemplateIdentifier, study: report.StudyInstanceUID, groups };
}
