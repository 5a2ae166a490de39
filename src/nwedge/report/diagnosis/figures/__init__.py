"""The figures of a diagnosis: `figure` draws what `report.diagnosis.reading` found."""
