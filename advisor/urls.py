from django.urls import path

from advisor import views

urlpatterns = [path("", views.home, name="home")]
