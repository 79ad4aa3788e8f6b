"""Makes tests/report/highdicom.dcm: measurements on one of pydicom's images as highdicom, written by others, reports them. Runs with requirements.txt beside it.
"""

from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.sr.codedict import codes
from pydicom.uid import UID

OUT = Path(__file__).parent.parent / "tests/report/highdicom.dcm"

image = dcmread(get_testdata_file("CT_small.dcm"))
source = hd.sr.SourceImageForMeasurement(
    referenced_sop_class_uid=image.SOPClassUID, referenced_sop_instance_uid=image.SOPInstanceUID
)
region_source = hd.sr.SourceImageForRegion(
    referenced_sop_class_uid=image.SOPClassUID, referenced_sop_instance_uid=image.SOPInstanceUID
)
numbers = iter(range(1, 100))


def tracking(name):
    return hd.sr.TrackingIdentifier(uid=UID(f"2.25.{next(numbers)}"), identifier=name)


def region(name, kind, points):
    data = np.array(points, dtype=float)
    return hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(name),
        referenced_region=hd.sr.ImageRegion(graphic_type=kind, graphic_data=data, source_image=region_source),
        finding_type=codes.SCT.Neoplasm,
        measurements=[hd.sr.Measurement(name=codes.SCT.Area, value=12.5, unit=codes.UCUM.SquareMillimeter)],
    )


length = hd.sr.MeasurementsAndQualitativeEvaluations(
    tracking_identifier=tracking("Length"),
    finding_type=codes.SCT.Neoplasm,
    measurements=[
        hd.sr.Measurement(
            name=codes.SCT.Length,
            value=8.3,
            unit=codes.UCUM.Millimeter,
            referenced_coordinates=[
                hd.sr.CoordinatesForMeasurement(
                    graphic_type=hd.sr.GraphicTypeValues.POLYLINE,
                    graphic_data=np.array([[10.5, 20.0], [14.5, 29.0]]),
                    source_image=source,
                )
            ],
        )
    ],
)
kinds = hd.sr.GraphicTypeValues
groups = [
    length,
    region("Circle", kinds.CIRCLE, [[60, 60], [60, 70]]),
    region("Turned", kinds.ELLIPSE, [[50, 50], [60, 60], [57, 53], [53, 57]]),
    region("Outline", kinds.POLYLINE, [[1, 1], [20, 3], [15, 30], [1, 1]]),
]
report = hd.sr.MeasurementReport(
    observation_context=hd.sr.ObservationContext(
        observer_device_context=hd.sr.ObserverContext(
            observer_type=codes.DCM.Device,
            observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(uid=UID("2.25.1000")),
        )
    ),
    procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
    imaging_measurements=groups,
)
document = hd.sr.ComprehensiveSR(
    evidence=[image],
    content=report,
    series_number=1,
    series_instance_uid=UID("2.25.1001"),
    sop_instance_uid=UID("2.25.1002"),
    instance_number=1,
    manufacturer="highdicom",
)
OUT.parent.mkdir(exist_ok=True)
document.save_as(OUT)
